"""The networks of the data construction, tiny: each gives what its own library gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from refused import refused

from vace_core.errors import ModelError
from vace_core.geometry import Box
from vace_core.training.construction import networks
from vace_core.training.construction.pose import draw_person, load_pose

transformers = pytest.importorskip("transformers")
CPU = torch.device("cpu")
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "person", "dog", "red", "fox", ".", "a", "<image>", "describe")


def filled(network: torch.nn.Module, spread: float = 0.3) -> torch.nn.Module:
    """`network` with weights that are drawn in the order of their names, nowhere zero."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weight in sorted(network.named_parameters()):
            drawn = torch.randn(weight.shape, generator=generator) * spread
            weight.copy_(drawn + ("norm" in name and name.endswith("weight")))
    return network.eval()


@pytest.fixture(scope="module")
def frames() -> torch.Tensor:
    """`(4, 40, 56, 3)` uint8: a light square that moves over noise."""
    found = torch.randint(0, 90, (4, 40, 56, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    for place in range(4):
        found[place, 8:28, 6 + 4 * place : 26 + 4 * place] = torch.tensor([240, 180, 60], dtype=torch.uint8)
    return found


def images(frames: torch.Tensor) -> list[object]:
    from PIL import Image

    return [Image.fromarray(frame.numpy()) for frame in frames]


def bert(folder: Path) -> object:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    return transformers.BertTokenizer(vocab=str(folder / "vocab.txt"))


def detector(folder: Path) -> Path:
    swin = transformers.SwinConfig(
        image_size=64, patch_size=4, embed_dim=8, depths=[1, 1, 1, 1], num_heads=[1, 1, 2, 2], window_size=4,
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    text = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    config = transformers.GroundingDinoConfig(
        backbone_config=swin, text_config=text, d_model=32, encoder_layers=1, decoder_layers=2,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_queries=12,
        num_feature_levels=3, disable_custom_kernels=True, max_text_len=16,
    )  # fmt: skip
    filled(transformers.GroundingDinoForObjectDetection(config)).save_pretrained(folder)
    small = transformers.GroundingDinoImageProcessor(size={"shortest_edge": 48, "longest_edge": 80})
    transformers.GroundingDinoProcessor(small, bert(folder)).save_pretrained(folder)
    return folder


def test_boxes_are_those_of_grounding_dino(tmp_path, frames):
    folder = detector(tmp_path / "dino")
    found = networks.load_detector(folder, CPU, threshold=0.1, text_threshold=0.1)(frames[0], ["Person", "red fox."])
    model = transformers.GroundingDinoForObjectDetection.from_pretrained(folder)
    processor = transformers.GroundingDinoProcessor.from_pretrained(folder)
    inputs = processor(images=images(frames)[0], text="person. red fox.", return_tensors="pt")
    with torch.no_grad():
        (expected,) = processor.post_process_grounded_object_detection(
            model(**inputs), inputs["input_ids"], threshold=0.1, text_threshold=0.1, target_sizes=[(40, 56)]
        )
    assert found
    order = expected["scores"].argsort(descending=True, stable=True).tolist()
    assert [one.score for one in found] == [float(expected["scores"][place]) for place in order]
    assert [one.label for one in found] == [expected["text_labels"][place] for place in order]
    boxes = [[one.box.left, one.box.top, one.box.right, one.box.bottom] for one in found]
    assert boxes == [[round(side) for side in expected["boxes"][place].tolist()] for place in order]


def segmenter(folder: Path) -> Path:
    hiera = transformers.Sam2HieraDetConfig(
        hidden_size=8, num_attention_heads=1, image_size=[64, 64], blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=[8, 16, 32, 64], num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 4, 2], global_attention_blocks=[3],
        window_positional_embedding_background_size=[4, 4],
    )  # fmt: skip
    vision = transformers.Sam2VisionConfig(
        backbone_config=hiera, backbone_channel_list=[64, 32, 16, 8], fpn_hidden_size=128,
        backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
    )  # fmt: skip
    config = transformers.Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 128, "image_size": 64, "patch_size": 16, "mask_input_channels": 8},
        mask_decoder_config={
            "hidden_size": 128, "mlp_dim": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
            "iou_head_hidden_dim": 16,
        },
        image_size=64, memory_attention_hidden_size=128, memory_attention_num_layers=1,
        memory_attention_num_attention_heads=1, memory_attention_feed_forward_hidden_size=32,
        memory_attention_rope_feat_sizes=[4, 4], memory_encoder_hidden_size=128, memory_encoder_output_channels=64,
        mask_downsampler_embed_dim=128, memory_fuser_embed_dim=128, memory_fuser_intermediate_dim=16,
        memory_fuser_num_layers=1,
    )  # fmt: skip
    torch.manual_seed(5)  # its grid of positions is drawn, and no parameter
    filled(transformers.Sam2VideoModel(config), 0.1).save_pretrained(folder)
    return folder


def test_masks_are_those_of_sam_2(tmp_path, frames):
    boxes = [Box(6, 8, 26, 28), Box(30, 4, 50, 36)]
    found = networks.load_segmenter(segmenter(tmp_path / "sam2"), CPU)(frames, boxes)
    assert found.shape == (2, 4, 40, 56)
    # Pixels of the masks that transformers 5.24 gives with Sam2VideoProcessor, which needs torchvision.
    expected = torch.tensor([[217, 84, 85, 79], [172, 85, 83, 78]])
    assert (found.sum((2, 3)) - expected).abs().max() <= 2
    assert networks.load_segmenter(tmp_path / "sam2", CPU)(frames, []).shape == (0, 4, 40, 56)


def test_depth_is_that_of_its_library(tmp_path, frames):
    dino = transformers.Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14, out_indices=[1, 2],
        apply_layernorm=True, reshape_hidden_states=False,
    )  # fmt: skip
    config = transformers.DepthAnythingConfig(
        backbone_config=dino, reassemble_hidden_size=16, neck_hidden_sizes=[8, 16], reassemble_factors=[2, 1],
        fusion_hidden_size=8, head_hidden_size=8, head_in_index=-1,
    )  # fmt: skip
    filled(transformers.DepthAnythingForDepthEstimation(config)).save_pretrained(tmp_path)
    processor = transformers.DPTImageProcessor(
        size={"height": 28, "width": 42}, keep_aspect_ratio=False, ensure_multiple_of=14
    )
    processor.save_pretrained(tmp_path)
    found = networks.load_depth(tmp_path, CPU)(frames)
    asked = transformers.pipeline("depth-estimation", model=str(tmp_path), device="cpu")
    expected = torch.stack([asked(image)["predicted_depth"] for image in images(frames)])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    pictures = networks.depth_pictures(found)
    assert pictures.shape == frames.shape
    assert pictures.amin((1, 2, 3)).tolist() == [0] * 4
    assert pictures.amax((1, 2, 3)).tolist() == [255] * 4
    nearest = found.flatten(1).argmax(1)
    assert pictures[..., 0].flatten(1).gather(1, nearest[:, None]).tolist() == [[255]] * 4


TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image> {% else %}{{ part['text'] }} {% endif %}{% endfor %}{% endfor %}"
)


def captioner(folder: Path, template: str | None = TEMPLATE) -> Path:
    from tokenizers import Tokenizer, models, pre_tokenizers

    inner = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token="[PAD]", unk_token="[UNK]", additional_special_tokens=["<image>"]
    )
    vision = transformers.CLIPVisionConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=28, patch_size=14
    )
    text = transformers.LlamaConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        pad_token_id=0, bos_token_id=2, eos_token_id=3,
    )  # fmt: skip
    config = transformers.LlavaConfig(vision_config=vision, text_config=text, image_token_index=WORDS.index("<image>"))
    filled(transformers.LlavaForConditionalGeneration(config)).save_pretrained(folder)
    small = transformers.CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    transformers.LlavaProcessor(
        small, tokenizer, patch_size=14, vision_feature_select_strategy="default", chat_template=template,
        num_additional_image_tokens=1,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_a_caption_is_what_the_library_answers(tmp_path, frames):
    folder = captioner(tmp_path / "vlm")
    found = networks.load_captioner(folder, CPU, ask="describe a red fox")(frames)
    said = [{"type": "image", "image": image} for image in images(frames)] + [
        {"type": "text", "text": "describe a red fox"}
    ]
    asked = transformers.pipeline("image-text-to-text", model=str(folder), device="cpu")
    (answer,) = asked(text=[{"role": "user", "content": said}], max_new_tokens=networks.WORDS, do_sample=False,
                      return_full_text=False)  # fmt: skip
    assert found
    assert found == " ".join(answer["generated_text"].split())


def test_a_model_that_cannot_be_asked_is_named(tmp_path):
    captioner(tmp_path / "mute", template=None)
    with pytest.raises(ModelError) as error:
        networks.load_captioner(tmp_path / "mute", CPU)
    assert error.value.code == "data-network"
    assert "chat template" in str(error.value)


@pytest.mark.parametrize("load", [networks.load_segmenter, networks.load_depth])
def test_a_folder_of_another_model_is_named(tmp_path, load):
    with pytest.raises(ModelError) as error:
        load(tmp_path / "nothing", CPU)
    assert refused(error.value).startswith("data-network: path=")
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=16, patch_size=8
    )
    transformers.ViTModel(config).save_pretrained(tmp_path / "other")
    with pytest.raises(ModelError) as error:
        load(tmp_path / "other", CPU)
    assert error.value.code == "data-network"


def test_joints_are_those_of_vitpose(tmp_path, frames):
    pytest.importorskip("scipy")
    backbone = transformers.VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        out_indices=[1],
    )  # fmt: skip
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=17, scale_factor=2)
    filled(transformers.VitPoseForPoseEstimation(config), 1.0).save_pretrained(tmp_path)
    transformers.VitPoseImageProcessor(size={"height": 64, "width": 48}).save_pretrained(tmp_path)
    mask = torch.zeros(1, 4, 40, 56, dtype=torch.bool)
    mask[:, 1:, 8:28, 10:30] = True
    found = load_pose(tmp_path, CPU)(frames, mask)
    model = transformers.VitPoseForPoseEstimation.from_pretrained(tmp_path)
    processor = transformers.VitPoseImageProcessor.from_pretrained(tmp_path)
    boxes = [[[10.0, 8.0, 20.0, 20.0]]]
    with torch.no_grad():
        inputs = processor(images(frames)[2], boxes=boxes, return_tensors="pt")
        ((person,),) = processor.post_process_pose_estimation(model(**inputs), boxes=boxes)
    expected = torch.zeros(40, 56, 3, dtype=torch.uint8).numpy()
    draw_person(expected, person["keypoints"].numpy(), person["scores"].numpy())
    assert expected.any()
    assert torch.equal(found[2], torch.from_numpy(expected))
    assert not found[0].any()  # nobody is there


def test_a_person_is_drawn_in_the_colours_of_openpose():
    joints = torch.zeros(17, 2)
    joints[6], joints[8], joints[5] = torch.tensor([60.0, 30]), torch.tensor([60.0, 70]), torch.tensor([20.0, 30])
    scores = torch.zeros(17)
    scores[[5, 6, 8]] = 1.0
    picture = torch.zeros(100, 100, 3, dtype=torch.uint8).numpy()
    draw_person(picture, joints.numpy(), scores.numpy())
    assert picture[50, 60].tolist() == [153, 102, 0]  # the upper right arm: orange (255, 170, 0), dimmed to 0.6
    assert picture[70, 60].tolist() == [255, 255, 0]  # its elbow: yellow
    assert picture[30, 40].tolist() == [255, 85, 0]  # the neck, between the shoulders
    assert not picture[0].any()  # joints that are not sure are left out
