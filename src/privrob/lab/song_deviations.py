"""Where our trainings of song2019 depart from the authors' code, beyond what profile quick cuts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Deviation:
    """`what` of a recipe, as in the authors' code and as it is here."""

    what: str
    theirs: str
    ours: str


DEVIATIONS = (
    Deviation(
        "loss, in TensorFlow",
        "the sum over the batch beside a decay of 2e-4; for interval the facts do not say which",
        "the mean beside a decay of 2e-4 / batch; interval: the mean beside 2e-4",
    ),
    Deviation(
        "weight decay of biases",
        "TensorFlow decays what its code calls W, read as weights alone; PyTorch decays all",
        "the same, by a switch of each recipe",
    ),
    Deviation("Adam's epsilon", "each framework's own", "PyTorch's everywhere"),
    Deviation(
        "learning rate falls",
        "named by updates; which side of them is not known",
        "from update n on",
    ),
    Deviation(
        "batches",
        "not compared",
        "shuffled anew in every epoch; the last epoch is cut at the number of updates",
    ),
    Deviation(
        "attacks of PGD training",
        "made in training mode",
        "made in training mode, so running statistics see the attack's passes as well; the "
        "networks for faces have no batch normalisation",
    ),
    Deviation(
        "difference: clean probabilities",
        "detached; how often they are computed is not known",
        "computed once before the walk: they do not change on it",
    ),
    Deviation(
        "difference: initial weights",
        "convolutions by Kaiming's normal rule, the last layer 0",
        "on faces and Fashion-MNIST as in the TensorFlow code, so the last layer is not 0; on "
        "CIFAR-10 it is, and convolutions are drawn by their outputs",
    ),
    Deviation("duality: NaN gradients", "set to 0; norm clipped", "set to 0 before it is clipped"),
    Deviation(
        "duality: initial weights",
        "convolutions as here; of dense layers the facts say nothing",
        "dense layers as in the TensorFlow code, one rule for all networks",
    ),
    Deviation(
        "duality: the bound that verifies",
        "their robust bound, whose ball is not cut to the range of pixels; it is called by nothing",
        "on faces and larger images hidden units are bounded by intervals, and the ball is cut to "
        "pixels in [0, 1]",
    ),
    Deviation(
        "duality: random projections",
        "Cauchy vectors at each layer",
        "the vectors of all layers carried forward in one stream",
    ),
    Deviation(
        "abstract: growth of the box",
        "a count of bound computations",
        "counted in updates from the first epoch with boxes: 1/30 of eps until the 21st, "
        "all of it from the 50th",
    ),
    Deviation("abstract: range of the box", "not known", "cut to pixels in [0, 1]"),
    Deviation("abstract and interval: initial weights", "not known", "as in the TensorFlow code"),
    Deviation(
        "distributional: proximal step",
        "every pixel goes back by the batch's mean step",
        "the same, though it is no true proximal step: a pixel that moved less than the mean "
        "overshoots the image, and the mean depends on the batch",
    ),
    Deviation(
        "radius of 8/255",
        "0.0314 on faces, but for interval; 0.0314 on CIFAR-10 for difference; duality trained "
        "at 0.06275",
        "8/255, which is 0.03137; duality 16/255, which is 0.06275",
    ),
    Deviation(
        "biases of convolutions",
        "none on faces and Fashion-MNIST in the code of natural, PGD and distributional training",
        "there for every defence: 240 more numbers on faces, 2304 on Fashion-MNIST",
    ),
    Deviation(
        "members among the faces",
        "drawn by the order of the images in a file that is not public",
        "as many of each person, for an assumed order within a person: which photographs were "
        "members of theirs is not certain",
    ),
    Deviation(
        "borders of convolutions of stride 2",
        "TensorFlow's SAME, one-sided; PyTorch's code a border of 1",
        "a border of 1 on every side",
    ),
)
