"""The files of a profile are found by what they hold, and all that are missing are named at once."""

from __future__ import annotations

import pytest
from model_files import only, released_shapes, write_sparse
from profile_files import listed, lora, write_profiles

from vace_core.errors import ModelError
from vace_core.loading.choosing import choose_files
from vace_core.starter.profiles import PROFILES

WITH_FILES = [name for name, profile in PROFILES.items() if profile.files]
FOUND = {
    "wan-1.3b-480p": ["a", "a", "a"],
    "wan-14b-480p": ["b", "a", "a"],
    "wan-14b-720p": ["b", "a", "a"],
    "wan-14b-fast": ["b", "a", "a", "a, lightx2v"],
    "fun-pair": ["c, high", "c, low", "a", "a"],
    "ltx": ["d", "b"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("models")
    write_profiles(made)
    return made


@pytest.fixture
def copy(folder, tmp_path):
    """The same files, to be changed."""
    for path in folder.rglob("*.safetensors"):
        (tmp_path / path.parent.name).mkdir(exist_ok=True)
        (tmp_path / path.parent.name / path.name).symlink_to(path)
    return tmp_path


@pytest.mark.parametrize("name", WITH_FILES)
def test_each_profile_finds_its_own_among_all(folder, name):
    found = choose_files(PROFILES[name], listed(folder))
    assert [path.stem for path in found.all] == FOUND[name]


@pytest.mark.parametrize("name", WITH_FILES)
def test_in_empty_folders_all_files_are_missed(name):
    with pytest.raises(ModelError) as error:
        choose_files(PROFILES[name], {})
    files = PROFILES[name].files
    assert error.value.code == "profile-files-missing"
    assert error.value.fields["count"] == len(files)
    for file in files:
        assert f"{file.smaller or file.released} in models/{file.folder} ({file.what})" in error.value.fields["missing"]


def test_one_that_is_missing_is_named_alone(copy):
    (copy / "vae" / "a.safetensors").unlink()
    with pytest.raises(ModelError) as error:
        choose_files(PROFILES["wan-14b-480p"], listed(copy))
    assert (error.value.fields["count"], error.value.fields["total"]) == (1, 3)
    assert error.value.fields["missing"] == "wan_2.1_vae.safetensors in models/vae (the Wan 2.1 VAE)"


def test_another_models_file_under_the_right_name_is_not_taken(copy):
    """Nor does a damaged file stand in the way of a whole one."""
    places = copy / "diffusion_models"
    (places / "b.safetensors").unlink()
    released = PROFILES["wan-14b-480p"].files[0].released
    (places / released).symlink_to((places / "a.safetensors").resolve())
    (places / "wan2.1_vace_14B_damaged.safetensors").write_bytes(b"nothing")
    with pytest.raises(ModelError) as error:
        choose_files(PROFILES["wan-14b-480p"], listed(copy))
    assert error.value.fields["count"] == 1


def test_of_several_that_fit_the_released_name_is_taken(copy):
    places = copy / "diffusion_models"
    for name in ("wan2.1_vace_14B_fp16", "wan_vace_14B_fp8", "0"):
        (places / f"{name}.safetensors").symlink_to((places / "b.safetensors").resolve())
    assert choose_files(PROFILES["wan-14b-480p"], listed(copy)).base.stem == "wan2.1_vace_14B_fp16"
    (places / "wan2.1_vace_14B_fp16.safetensors").unlink()
    assert choose_files(PROFILES["wan-14b-480p"], listed(copy)).base.stem == "wan_vace_14B_fp8"


def test_a_base_and_an_adapter_in_files_of_their_own_do(copy):
    places = copy / "diffusion_models"
    (places / "a.safetensors").unlink()
    for part in ("base", "adapter"):
        write_sparse(places / f"{part}.safetensors", only(part, released_shapes(1.3)))
    found = choose_files(PROFILES["wan-1.3b-480p"], listed(copy))
    assert (found.base.stem, found.adapter.stem) == ("base", "adapter")
    own = choose_files(PROFILES["wan-1.3b-480p"], listed(copy), adapter=copy / "mine.safetensors")
    assert (own.base.stem, own.adapter.stem) == ("base", "mine")


def test_a_lora_that_does_not_say_that_it_is_of_few_steps_is_none(copy):
    (copy / "loras" / "a, lightx2v.safetensors").unlink()
    with pytest.raises(ModelError) as error:
        choose_files(PROFILES["wan-14b-fast"], listed(copy))
    assert error.value.fields["missing"].endswith("(a LoRA distilled for few steps without guidance)")
    write_sparse(copy / "loras" / "lightx2v of another width.safetensors", lora(1536))
    with pytest.raises(ModelError):
        choose_files(PROFILES["wan-14b-fast"], listed(copy))


def test_what_is_beyond_a_model_is_said():
    large, small = PROFILES["wan-14b-480p"], PROFILES["wan-1.3b-480p"]
    assert large.beyond(81, 720, 1280) is None
    assert "1280 x 720 pixels, 2.3 times the most" in str(small.beyond(81, 720, 1280))
    assert "161 frames of 832 x 480, where 81 are the most" in str(small.beyond(161, 480, 832))
    assert small.beyond(81, 480, 832) is None
