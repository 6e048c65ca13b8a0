"""Which test files are to hold which module."""

from __future__ import annotations

_WAN = (
    "parity/test_wan_dit",
    "core/test_packed",
    "core/test_adapter",
    "core/test_pipeline",
    "core/test_cost",
    "core/test_families",
)
_WAN_VAE = ("core/test_wan_vae", "parity/test_wan_vae", "core/test_context", "core/test_cost", "core/test_room",
            "core/test_families")  # fmt: skip
_LTX = ("parity/test_ltx_dit", "parity/test_ltx_vace", "core/test_ltx", "core/test_ltx_cost", "core/test_families")
_VIDEO = ("core/test_video", "core/test_video_decode", "core/test_video_write", "core/test_video_edited",
          "core/test_video_reader", "core/test_media_files", "core/test_footage", "core/test_tone",
          "core/test_ranges", "core/test_index", "core/test_planes", "core/test_stills")  # fmt: skip
_UNITS = ("core/test_tasks", "core/test_vcu", "core/test_overflow", "nodes/test_tasks")
_WEIGHTS = ("core/test_checkpoint", "core/test_model_file", "core/test_hostile_files", "core/test_loading_strict")
TESTS: dict[str, tuple[str, ...]] = {
    "vace_core/geometry.py": ("core/test_geometry", "core/test_fitting", "core/test_masks", "core/test_context",
                              "core/test_strength", "core/test_pinning", "core/test_families"),
    "vace_core/checks/room.py": ("core/test_room", "core/test_cli_output", "nodes/test_room"),
    "vace_core/checks/numbers.py": ("core/test_options", "core/test_vcu", "core/test_overflow", "core/test_composite",
                                    "core/test_controls", "core/test_video", "nodes/test_edges"),
    "vace_core/loading/profiles.py": ("core/test_profiles",),
    "vace_core/starter/profiles.py": ("core/test_profiles",),
    "vace_core/preview/plan.py": ("core/test_profiles", "core/test_placing", "core/test_cli_placing"),
    "vace_core/loading/placing": ("core/test_placing", "core/test_cli_placing", "core/test_profiles"),
    "vace_core/vcu.py": (*_UNITS, "core/test_compose_finished"),
    "vace_core/adapter.py": ("core/test_adapter", "core/test_strength",
                             "core/test_pipeline", "core/test_options", "parity/test_wan_dit",
                             "core/test_families"),
    "vace_core/context.py": ("core/test_context", "core/test_where", "core/test_pipeline", "core/test_families"),
    "vace_core/pipeline/composite.py": ("core/test_composite", "core/test_compose_finished", "nodes/test_tasks"),
    "vace_core/pipeline/__init__.py": ("core/test_pipeline", "core/test_options", "core/test_overflow", "core/test_ltx",
                              "core/test_loading", "core/test_pinning", "core/test_strength"),
    "vace_core/pipeline/": ("core/test_long",),
    "vace_core/cli/long.py": ("core/test_cli_long",),
    "vace_core/cli/plan.py": ("core/test_windows",),
    "vace_core/inputs/masks.py": ("core/test_masks", "core/test_tasks", "nodes/test_tasks", "core/test_composite",
                                  "core/test_pinning"),
    "vace_core/inputs/references.py": ("core/test_references", "nodes/test_tasks", "core/test_room"),
    "vace_core/inputs/controls.py": ("core/test_controls", "core/test_tasks"),
    "vace_core/inputs/control_checks.py": ("core/test_controls", "core/test_control_checks"),
    "vace_core/inputs/layout.py": ("core/test_layout", "core/test_layout_json", "core/test_tasks", "core/test_room"),
    "vace_core/inputs/box_paths.py": ("core/test_layout_json", "core/test_layout", "nodes/test_tasks"),
    "vace_core/inputs/all_frames.py": ("core/test_all_frames", "core/test_cli_footage", "nodes/test_same_fit"),
    "vace_core/inputs/crops.py": ("core/test_crops", "core/test_cli_footage"),
    "vace_core/inputs/put_back.py": ("core/test_crops", "core/test_cli_footage", "core/test_put_back_whole"),
    "vace_core/inputs/blending.py": ("core/test_blending",),
    "vace_core/inputs/extension.py": ("core/test_put_back_whole",),
    "vace_core/inputs/border.py": ("core/test_put_back_whole",),
    "vace_core/cli/extending.py": ("core/test_put_back_whole", "core/test_cli_film"),
    "vace_core/inputs/": ("core/test_fitting", "core/test_room", "core/test_cli", "core/test_cli_film",
                          "core/test_cli_footage", "nodes/test_tasks", "nodes/test_same_fit"),
    "vace_core/tasks/": (*_UNITS, "core/test_advice", "core/test_room"),
    "vace_core/preview/cost.py": ("core/test_cost", "core/test_ltx_cost", "core/test_preview"),
    "vace_core/preview/timeline.py": ("core/test_windows",),
    "vace_core/preview/strength.py": ("core/test_where",),
    "vace_core/evaluation/vbench.py": ("core/test_vbench", "core/test_backbones"),
    "vace_core/evaluation/pixels.py": ("core/test_evaluation", "core/test_evaluate"),
    "vace_core/evaluation/study.py": ("core/test_study",),
    "vace_core/evaluation/study_page.py": ("core/test_study",),
    "vace_core/evaluation/": ("core/test_evaluate", "core/test_backbones", "core/test_study"),
    "vace_core/preview/": ("core/test_preview", "core/test_advice", "core/test_preview_golden"),
    "vace_core/loading/lora.py": ("core/test_lora", "parity/test_lora"),
    "vace_core/loading/lora_match.py": ("core/test_lora", "parity/test_lora"),
    "vace_core/sampling/phases.py": ("core/test_phases",),
    "vace_core/sampling/presets.py": ("core/test_phases",),
    "vace_core/sampling/windows.py": ("core/test_windows",),
    "vace_core/sampling/planning.py": ("core/test_windows",),
    "vace_core/sampling/plan_text.py": ("core/test_windows",),
    "vace_core/sampling/": ("core/test_schedule", "core/test_solvers", "core/test_guidance", "core/test_options",
                            "parity/test_samplers", "core/test_pipeline", "core/test_strength", "core/test_pinning",
                            "core/test_where"),
    "vace_core/media/pictures.py": ("core/test_pictures", "core/test_media_files", "core/test_video",
                                    "core/test_video_reader"),
    "vace_core/media/cropped.py": ("core/test_cli_footage", "core/test_crops"),
    "vace_core/media/": (*_VIDEO, "core/test_pictures"),
    "vace_core/files/jobs/": ("core/test_jobs",),
    "vace_core/sampling/kept.py": ("core/test_jobs",),
    "vace_core/sampling/progress.py": ("core/test_jobs",),
    "vace_core/files/replacing.py": ("core/test_replacing", "core/test_media_files"),
    "vace_core/files/packed.py": ("core/test_packed",),
    "vace_core/files/weights.py": (*_WEIGHTS, "core/test_detection", "core/test_repack", "core/test_packed",
                                   "core/test_ltx_files"),
    "vace_core/files/strict_json.py": ("core/test_hostile_files", "core/test_layout_json"),
    "vace_core/files/": (*_WEIGHTS, "core/test_mutants", "core/test_repack"),
    "vace_core/models/devices.py": ("core/test_devices",),
    "vace_core/models/tiling.py": ("core/test_tiling", "core/test_wan_vae", "core/test_ltx"),
    "vace_core/models/rotary.py": ("core/test_devices", "parity/test_wan_dit", "parity/test_ltx_dit"),
    "vace_core/models/layers.py": ("core/test_packed", "core/test_families", "parity/test_wan_dit"),
    "vace_core/models/latent_space.py": ("core/test_latent_space", "core/test_wan_vae", "core/test_families"),
    "vace_core/models/text.py": ("core/test_umt5", "core/test_ltx_files", "core/test_families", "parity/test_t5"),
    "vace_core/models/": ("core/test_families", "core/test_wan_vae", "core/test_ltx", "core/test_detection",
                          "core/test_pipeline", "parity/test_wan_dit", "parity/test_ltx_dit"),
    "vace_core/models/wan/vae.py": _WAN_VAE,
    "vace_core/models/wan/vae_stream.py": _WAN_VAE,
    "vace_core/models/wan/cost.py": ("core/test_cost",),
    "vace_core/models/wan/family.py": ("core/test_wan_family", "core/test_fitting", "core/test_detection",
                                       "core/test_loading", "core/test_cost", "core/test_options"),
    "vace_core/models/wan/": (*_WAN, "parity/test_key_maps", "core/test_detection"),
    "vace_core/models/wan/latents.py": ("core/test_latent_space", "core/test_wan_vae", "core/test_cost"),
    "vace_core/models/wan/text.py": ("parity/test_t5", "core/test_umt5", "core/test_detection", "core/test_families"),
    "vace_core/models/ltx/text.py": ("parity/test_t5", "core/test_ltx_files", "core/test_families"),
    "vace_core/models/ltx/vae.py": ("parity/test_ltx_vae", "core/test_ltx", "core/test_families"),
    "vace_core/models/ltx/": (*_LTX, "parity/test_ltx_keys", "core/test_ltx_files", "core/test_detection"),
    "nodes/sample.py": ("nodes/test_sample", "nodes/test_forms", "nodes/test_tasks", "nodes/test_edges",
                        "nodes/test_said"),
}  # fmt: skip
"""The tests of a module, or of all modules in a folder that are not named."""


def entry(path: str) -> str:
    """The entry of `TESTS` for a module, the longest that fits; empty if there is none."""
    return max((one for one in TESTS if path.startswith(one)), key=len, default="")


def files_of(path: str) -> list[str]:
    """The test files of a module."""
    return [f"tests/{name}.py" for name in TESTS[entry(path)]]
