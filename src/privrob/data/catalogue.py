"""What is known of each data set: shape, classes, where torchvision keeps it, trusted checksums."""

from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Known:
    """A data set's fixed facts; `shape` is (C, H, W).

    `torchvision` is the class that reads and downloads it, `layout` a file that is there when its
    own on-disk layout is; both are empty where there is none. `splits` begins the names of the
    index arrays that split an npz file of one array `images`. `variants` maps the checksum of known
    contents to their name.
    """

    shape: tuple[int, int, int]
    classes: int
    variants: dict[str, str]
    torchvision: str = ""
    layout: str = ""
    splits: str = ""
    files_checked: bool = False  # torchvision compares the files' MD5 before it reads them


EMBEDDED = {
    "digits": Known(
        (1, 28, 28),
        10,
        {"af6dacda6ff1e583b3c721d7cbf34082b94dffc16f865a8c84cee01e10316b1d": "version 1"},
    ),
    "glyphs": Known(
        (1, 28, 28),
        10,
        {"7d6a258b5af639c44934f85d2803a7c5800d08912e6b39b99130a2314db4bdf3": "version 1"},
    ),
    "faces": Known(
        (1, 48, 42),
        12,
        {"8304058c03aa730e2fa946fe9572ddd8723f11816de50126cc4f2a1f3192c96a": "version 1"},
    ),
    "mnist_slice": Known(
        (1, 28, 28),
        10,
        {"81a5eee604d3f4e391eaf022298b6a967c2f1f33f8b9b503bfbe9f2363c091b3": "published"},
    ),
}

REAL = {
    "mnist": Known(
        (1, 28, 28),
        10,
        {"a2ee9385e18d0d238b42e456e0dd3f74ac70b860157580a706be9501cc24ec29": "published"},
        torchvision="MNIST",
        layout="MNIST/raw/train-images-idx3-ubyte",
    ),
    "fashion_mnist": Known(
        (1, 28, 28),
        10,
        {"189bca8708098e2b56f7289ae369494883c5a163785c66fc5c5e8fb96f09f995": "published"},
        torchvision="FashionMNIST",
        layout="FashionMNIST/raw/train-images-idx3-ubyte",
    ),
    "cifar10": Known(
        (3, 32, 32),
        10,
        {"33b48e9fbdc9977facff92d83c72ce9952834407b89ab177fd84b7ba13c0f1fd": "98 images from JPEG"},
        torchvision="CIFAR10",
        layout="cifar-10-batches-py/data_batch_1",
        files_checked=True,
    ),
    "cifar100": Known(
        (3, 32, 32),
        100,
        {"1741926828fda0aa9cbfe675e02d7e5d8e6b5ad2151a5277444fa7e6140a7420": "train only"},
        torchvision="CIFAR100",
        layout="cifar-100-python/train",
        files_checked=True,
    ),
    "yale_faces": Known(
        (1, 192, 168),
        38,
        {"0e1db6853d431af2f11e69287b1c648823c89b059f38e7eb9e41ab371c41964b": "song2019 split"},
        splits="song2019",
    ),
}

NAMES = (*EMBEDDED, *REAL)
UNKNOWN = "unknown"  # the variant of contents that match no known checksum


def known(name: str) -> Known:
    """The facts of a data set; ValueError with the nearest known name for any other."""
    facts = {**EMBEDDED, **REAL}
    if name not in facts:
        near = get_close_matches(str(name), NAMES, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ValueError(f"unknown data set {name!r}; {hint}known: {', '.join(NAMES)}")
    return facts[name]


def variant_of(name: str, checksum: str) -> str:
    """The name of the known contents with this checksum, or an empty string."""
    facts = {**EMBEDDED, **REAL}.get(name)
    return facts.variants.get(checksum, "") if facts else ""
