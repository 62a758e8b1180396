"""The zoo: what was kept comes back, what is broken or unknown is refused by name."""

import json

import pytest
import torch
from safetensors.torch import save

from privrob import models, paths, zoo
from privrob.zoo import ZooError

NETWORK = {
    "network": "mnist_cnn",
    "settings": {"width": 0.2, "hidden": (50,), "normalize": True},
}


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch, tmp_path):
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path / "records"))


def built(seed=0):
    return models.build("mnist_cnn", seed=seed, **NETWORK["settings"])


def weights(seed=0):
    """The safetensors file of a model."""
    return save({name: t.contiguous() for name, t in built(seed).state_dict().items()})


def keep(name="tursynbek2020/dpsgd", seed=0, *, raw=None, key="k", **network):
    raw = weights(seed) if raw is None else raw
    return zoo.keep(name, seed=seed, raw=raw, key=key, **(NETWORK | network))


def test_a_kept_model_comes_back_in_eval_mode():
    entry = keep()
    model, x = zoo.load("tursynbek2020/dpsgd", seed=0), torch.rand(3, 1, 28, 28)
    assert not model.training
    assert torch.equal(model(x), built()(x))
    assert entry.path == paths.weights() / "tursynbek2020" / "dpsgd-seed0.safetensors"
    assert (entry.bytes, entry.key) == (entry.path.stat().st_size, "k")


def test_names_and_entries_are_in_order():
    assert zoo.names() == []
    assert zoo.entries() == []
    for name in ("tursynbek2020/sgd", "tursynbek2020/dpsgd-matched"):
        for seed in (10, 2):
            keep(name, seed)
    assert zoo.names() == ["tursynbek2020/dpsgd-matched", "tursynbek2020/sgd"]
    assert [(e.name.split("/")[1], e.seed) for e in zoo.entries()] == [
        ("dpsgd-matched", 2),
        ("dpsgd-matched", 10),
        ("sgd", 2),
        ("sgd", 10),
    ]
    assert zoo.entries()[0].settings == NETWORK["settings"]


def test_unknown_names_and_seeds_are_refused_with_what_there_is():
    with pytest.raises(ValueError, match="no model 'a/b' in the zoo; .*weights holds none"):
        zoo.load("a/b", seed=0)
    keep(seed=0), keep(seed=2)
    with pytest.raises(ValueError, match="did you mean 'tursynbek2020/dpsgd'"):
        zoo.load("tursynbek2020/dpsgdd", seed=0)
    with pytest.raises(ValueError, match="it has tursynbek2020/dpsgd"):
        zoo.load("xyz", seed=0)
    with pytest.raises(ValueError, match="no seed 1 of 'tursynbek2020/dpsgd'.*there are 0, 2"):
        zoo.load("tursynbek2020/dpsgd", seed=1)


# -- broken files -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-4], lambda raw: raw[:-1] + b"!", lambda r: b""]
)
def test_a_broken_file_is_refused_and_named(damage):
    path = keep().path
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ZooError, match=f"{path.name}: contents differ"):
        zoo.load("tursynbek2020/dpsgd", seed=0)


def test_a_missing_file_is_refused_and_named():
    path = keep().path
    path.unlink()
    with pytest.raises(ZooError, match=f"{path.name}: cannot be read .No such file"):
        zoo.load("tursynbek2020/dpsgd", seed=0)


@pytest.mark.parametrize("text", ["", "{", "7", '{"tursynbek2020/dpsgd": {"seeds": {"0": 1}}}'])
def test_a_broken_index_is_refused_and_named(text):
    keep()
    (paths.weights() / "zoo.json").write_text(text)
    with pytest.raises(ZooError, match="zoo.json: "):
        zoo.load("tursynbek2020/dpsgd", seed=0)


# -- keeping ------------------------------------------------------------------------------------


def test_keeping_the_same_again_changes_nothing():
    first = keep()
    text = (paths.weights() / "zoo.json").read_text()
    assert keep() == first
    assert (paths.weights() / "zoo.json").read_text() == text


def test_another_file_never_takes_the_place_of_one():
    entry = keep()
    before = entry.path.read_bytes()
    with pytest.raises(ZooError, match="dpsgd-seed0.safetensors: other weights are kept there"):
        keep(raw=weights(5))
    assert entry.path.read_bytes() == before


def test_a_file_that_the_index_does_not_list_is_not_overwritten_either():
    entry = keep()
    (paths.weights() / "zoo.json").unlink()
    with pytest.raises(ZooError, match="other weights"):
        keep(raw=weights(5))
    assert keep() == entry


def test_a_name_stands_for_one_network():
    keep()
    other = {"width": 0.2, "hidden": (50,), "normalize": False}
    with pytest.raises(ZooError, match="already kept with another network"):
        keep(seed=1, settings=other)
    assert [e.seed for e in zoo.entries()] == [0]


def test_weights_must_fit_their_network():
    with pytest.raises(ValueError, match="not those of mnist_cnn.*\\n*.*size mismatch"):
        keep(settings={"width": 0.4, "hidden": (50,), "normalize": True})
    assert not paths.weights().exists()


def test_too_large_files_and_too_many_are_refused(monkeypatch):
    size = len(weights())
    monkeypatch.setattr(zoo, "FILE_LIMIT", size - 1)
    with pytest.raises(ZooError, match=f"{size} bytes; {size - 1} at most"):
        keep()
    monkeypatch.setattr(zoo, "FILE_LIMIT", size)
    monkeypatch.setattr(zoo, "TOTAL_LIMIT", 2 * size)
    keep(seed=0), keep(seed=1)
    with pytest.raises(ZooError, match="with tursynbek2020/dpsgd-seed2.safetensors the zoo has"):
        keep(seed=2)
    assert len(list(paths.weights().rglob("*.safetensors"))) == 2


def test_the_limits_are_those_of_the_design():
    assert (zoo.FILE_LIMIT, zoo.TOTAL_LIMIT) == (8_000_000, 80_000_000)


@pytest.mark.parametrize("name", ["dpsgd", "../x/y", "a/b/c", "A/b", "a/b-", "a/"])
def test_names_are_paper_and_model(name):
    with pytest.raises(ValueError, match="a zoo name is 'paper/model'"):
        keep(name)


def test_an_unwritable_folder_is_named_and_nothing_is_left(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PRIVROB_RECORDS", str(tmp_path / "file"))
    with pytest.raises(ZooError, match="cannot be written"):
        keep()
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_kill_between_file_and_index_is_healed_by_keeping_again(monkeypatch):
    real = zoo._write

    def only_the_weights(path, raw):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        real(path, raw)

    with monkeypatch.context() as patch:
        patch.setattr(zoo, "_write", only_the_weights)
        with pytest.raises(KeyboardInterrupt):
            keep()
    assert zoo.names() == []
    assert keep().path.exists()
    assert zoo.names() == ["tursynbek2020/dpsgd"]


def test_the_index_is_plain_json_for_people():
    keep()
    index = json.loads((paths.weights() / "zoo.json").read_text())
    model = index["tursynbek2020/dpsgd"]
    assert model["network"] == "mnist_cnn"
    assert set(model["seeds"]["0"]) == {"file", "bytes", "sha256", "key"}
