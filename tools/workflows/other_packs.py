"""The forms of nodes of other packs, and of newer ComfyUIs, that workflows chain with.

`test_forms_of_others.py` compares them with what the real ones say of themselves, where that is at hand.
"""

from __future__ import annotations

from typing import Any

from .core_nodes import form
from .forms import NEEDED, Form

AUX, VHS, KJ, SAM2 = (
    "comfyui_controlnet_aux",
    "comfyui-videohelpersuite",
    "comfyui-kjnodes",
    "ComfyUI-segment-anything-2",
)
NEWER = "0.33.0"
"""The ComfyUI that has the nodes of `NEWER_CORE`."""


def _pack(pack: str, node_id: str, title: str, inputs: dict[str, Any], outputs: dict[str, str], room: int = 0) -> Form:
    return form(node_id, title, inputs, outputs, pack=pack, version="", room=room)


def _newer(node_id: str, title: str, inputs: dict[str, Any], outputs: dict[str, str], room: int = 0) -> Form:
    return form(node_id, title, inputs, outputs, version=NEWER, room=room)


_PACKS = (
    _pack(
        VHS,
        "VHS_LoadVideo",
        "Load Video (Upload) 🎥🅥🅗🅢",
        {
            "video": ("COMBO", "clip.mp4"),
            "force_rate": ("FLOAT", 0),
            "custom_width": ("INT", 0),
            "custom_height": ("INT", 0),
            "frame_load_cap": ("INT", 0),
            "skip_first_frames": ("INT", 0),
            "select_every_nth": ("INT", 1),
            "meta_batch": "?VHS_BatchManager",
            "vae": "?VAE",
            "format": ("?COMBO", "AnimateDiff"),
        },
        {"IMAGE": "IMAGE", "frame_count": "INT", "audio": "AUDIO", "video_info": "VHS_VIDEOINFO"},
        room=240,
    ),
    _pack(
        VHS,
        "VHS_VideoCombine",
        "Video Combine 🎥🅥🅗🅢",
        {
            "images": "IMAGE",
            "frame_rate": ("FLOAT", 8),
            "loop_count": ("INT", 0),
            "filename_prefix": ("STRING", "AnimateDiff"),
            "format": ("COMBO", "video/h264-mp4"),
            "pingpong": ("BOOLEAN", False),
            "save_output": ("BOOLEAN", True),
            "audio": "?AUDIO",
            "meta_batch": "?VHS_BatchManager",
            "vae": "?VAE",
        },
        {"Filenames": "VHS_FILENAMES"},
        room=340,
    ),
    _pack(
        AUX,
        "DepthAnythingV2Preprocessor",
        "Depth Anything V2 - Relative",
        {
            "image": "IMAGE",
            "ckpt_name": ("?COMBO", "depth_anything_v2_vitl.pth"),
            "resolution": ("?INT", 512),
        },
        {"IMAGE": "IMAGE"},
    ),
    _pack(
        AUX,
        "DWPreprocessor",
        "DWPose Estimator",
        {
            "image": "IMAGE",
            "detect_hand": ("?COMBO", "enable"),
            "detect_body": ("?COMBO", "enable"),
            "detect_face": ("?COMBO", "enable"),
            "resolution": ("?INT", 512),
            "bbox_detector": ("?COMBO", "yolox_l.onnx"),
            "pose_estimator": ("?COMBO", "dw-ll_ucoco_384_bs5.torchscript.pt"),
            "scale_stick_for_xinsr_cn": ("?COMBO", "disable"),
        },
        {"IMAGE": "IMAGE", "POSE_KEYPOINT": "POSE_KEYPOINT"},
    ),
    _pack(
        KJ,
        "PointsEditor",
        "Points Editor",
        {
            "points_store": ("STRING", NEEDED),
            "coordinates": ("STRING", NEEDED),
            "neg_coordinates": ("STRING", NEEDED),
            "bbox_store": ("STRING", "[{}]"),
            "bboxes": ("STRING", "[{}]"),
            "bbox_format": ("COMBO", "xyxy"),
            "width": ("INT", 512),
            "height": ("INT", 512),
            "normalize": ("BOOLEAN", False),
            "bg_image": "?IMAGE",
        },
        {
            "positive_coords": "STRING",
            "negative_coords": "STRING",
            "bbox": "BBOX",
            "bbox_mask": "MASK",
            "cropped_image": "IMAGE",
        },
        room=520,
    ),
    _pack(
        SAM2,
        "DownloadAndLoadSAM2Model",
        "(Down)Load SAM2Model",
        {
            "model": ("COMBO", "sam2_hiera_base_plus.safetensors"),
            "segmentor": ("COMBO", "video"),
            "device": ("COMBO", "cuda"),
            "precision": ("COMBO", "fp16"),
        },
        {"sam2_model": "SAM2MODEL"},
    ),
    _pack(
        SAM2,
        "Sam2VideoSegmentationAddPoints",
        "Sam2VideoSegmentationAddPoints",
        {
            "sam2_model": "SAM2MODEL",
            "coordinates_positive": "STRING",
            "frame_index": ("INT", 0),
            "object_index": ("INT", 0),
            "image": "?IMAGE",
            "coordinates_negative": "?STRING",
            "prev_inference_state": "?SAM2INFERENCESTATE",
        },
        {"sam2_model": "SAM2MODEL", "inference_state": "SAM2INFERENCESTATE"},
    ),
    _pack(
        SAM2,
        "Sam2VideoSegmentation",
        "Sam2VideoSegmentation",
        {"sam2_model": "SAM2MODEL", "inference_state": "SAM2INFERENCESTATE", "keep_model_loaded": ("BOOLEAN", True)},
        {"mask": "MASK"},
    ),
)
_CORE = (
    _newer(
        "SAM3_VideoTrack",
        "Run SAM3 Video Track",
        {
            "images": "IMAGE",
            "model": "MODEL",
            "detection_threshold": ("FLOAT", 0.5),
            "max_objects": ("INT", 4),
            "detect_interval": ("INT", 1),
            "initial_mask": "?MASK",
            "conditioning": "?CONDITIONING",
        },
        {"track_data": "SAM3_TRACK_DATA"},
    ),
    _newer(
        "SAM3_TrackToMask",
        "SAM3 Track to Mask",
        {"track_data": "SAM3_TRACK_DATA", "object_indices": ("STRING", "")},
        {"masks": "MASK"},
    ),
    _newer(
        "LoadDA3Model",
        "Load Depth Anything 3",
        {"model_name": ("COMBO", NEEDED), "weight_dtype": ("COMBO", "default")},
        {"DA3_MODEL": "DA3_MODEL"},
    ),
    _newer(
        "DA3Inference",
        "Run Depth Anything 3",
        {
            "da3_model": "DA3_MODEL",
            "image": "IMAGE",
            "resolution": ("INT", 504),
            "resize_method": ("COMBO", "upper_bound_resize"),
            "mode": ("COMFY_DYNAMICCOMBO_V3", "mono"),
        },
        {"da3_geometry": "DA3_GEOMETRY"},
    ),
    _newer(
        "DA3Render",
        "Render Depth Anything 3",
        {
            "da3_geometry": "DA3_GEOMETRY",
            "output": ("COMFY_DYNAMICCOMBO_V3", "depth"),
            "output.normalization": ("COMBO", "v2_style"),
            "output.apply_sky_clip": ("BOOLEAN", False),
        },
        {"IMAGE": "IMAGE"},
    ),
    _newer(
        "SDPoseKeypointExtractor",
        "SDPose Keypoint Extractor",
        {
            "model": "MODEL",
            "vae": "VAE",
            "image": "IMAGE",
            "batch_size": ("INT", 16),
            "bboxes": "?BOUNDING_BOX",
        },
        {"keypoints": "POSE_KEYPOINT"},
    ),
    _newer(
        "SDPoseDrawKeypoints",
        "SDPose Draw Keypoints",
        {
            "keypoints": "POSE_KEYPOINT",
            "draw_body": ("BOOLEAN", True),
            "draw_hands": ("BOOLEAN", True),
            "draw_face": ("BOOLEAN", True),
            "draw_feet": ("BOOLEAN", False),
            "stick_width": ("INT", 4),
            "face_point_size": ("INT", 3),
            "score_threshold": ("FLOAT", 0.3),
            "draw_head": ("BOOLEAN", True),
        },
        {"IMAGE": "IMAGE"},
    ),
)
PACK_NODES: dict[str, Form] = {one.node_id: one for one in _PACKS}
NEWER_CORE: dict[str, Form] = {one.node_id: one for one in _CORE}
OTHERS: dict[str, Form] = {**PACK_NODES, **NEWER_CORE}
