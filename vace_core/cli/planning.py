"""What a job will take of its device: from files, or from a profile alone."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from ..loading.assembly import check_family, family_in
from ..models.devices import Memory, memory_of, memory_size
from ..preview.cost import ModelSizes
from ..preview.plan import Job, JobPlan, advice, check_plan, plan_job
from ..sampling.options import SamplingOptions
from ..vcu import VideoConditionUnit
from .files import Files, find_files, names_no_file
from .models import device_of, dtype_of, profile_of, read_sizes, stated_sizes
from .options import Run, Wanted
from .speed import check_speed, least


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A job with its files, sizes and plan.

    Attributes:
        files: Of the model; None = a profile was chosen without any.
        sizes: What the model takes.
        job: What of the job decides that.
        found: The plan.
    """

    files: Files | None
    sizes: ModelSizes
    job: Job
    found: JobPlan

    def check(self) -> None:
        """Validate that the job fits on a device of its own; main memory may grow by swapping. Raises InputError."""
        if not self.found.memory.is_host:
            check_plan(self.found, self.sizes, self.job)

    def advice(self) -> str:
        """What would fit."""
        return advice(self.sizes, self.job, self.found.memory)


def files_of(wanted: Wanted, run: Run) -> Files | None:
    """The files of the model; None where a profile was chosen for a dry run, and no file of it.

    Raises:
        InputError: files are missing, or are given without the model that they belong to.
        ModelError: a file is damaged, or not of the profile.
    """
    if not names_no_file(wanted):
        files = find_files(wanted, run)
        if wanted.profile is not None:
            profile_of(wanted).check(files.base)
        return files
    profile = profile_of(wanted)
    if run.dry_run:
        _check_no_files(wanted, run)
        return None
    raise InputError(
        "profile-without-files",
        "The profile {profile} was chosen without its files. {needed} are needed. Give them as --model, --vae and "
        "--text-encoder, or add --dry-run to see what the job would take.",
        profile=profile.name,
        needed="; ".join(f"{file.what} (such as {file.released})" for file in profile.files),
    )


def _check_no_files(wanted: Wanted, run: Run) -> None:
    """Refuses files that nothing would be read of, for the model that they belong to was not given."""
    given = {
        "--adapter": run.adapter,
        "--low-noise": run.low_noise,
        "--vae": run.vae,
        "--text-encoder": wanted.text_encoder,
        "--lora": run.lora,
    }
    if names := [name for name, value in given.items() if value]:
        raise InputError(
            "profile-some-files",
            "The profile {profile} was chosen with {given}, but without --model. All files or none are needed. Give "
            "--model too, or leave {given} out to plan without files.",
            profile=wanted.profile,
            given=" and ".join(names),
        )


def planned(
    files: Files | None,
    wanted: Wanted,
    run: Run,
    vcu: VideoConditionUnit,
    options: SamplingOptions,
    *,
    conditions: int = 1,
) -> Planned:
    """The plan for a job with so many conditions.

    Raises:
        InputError: the memory is no size, or was given for the CPU; or as `check_speed`.
        ModelError: a file is missing or damaged.
    """
    memory = memory_for(run)
    if files is not None:
        check_family(family_in(files.base), vae=files.vae, bases=files.bases, adapters=files.adapters)
    sizes = stated_sizes(profile_of(wanted), run) if files is None else read_sizes(files, run)
    check_speed(run, sizes, dtype_of(files, run, sizes), vcu, options, device_of(run))
    job = Job.of(vcu, options, conditions)
    return Planned(files=files, sizes=sizes, job=job, found=plan_job(sizes, job, memory))


def memory_for(run: Run) -> Memory:
    """What the job may take: of the device, or in a dry run of a card that need not be there.

    Raises:
        InputError: it is no size, or there is no card to bound.
    """
    device, limit = device_of(run), None if run.memory is None else memory_size(run.memory)
    if device.type != "cpu" or limit is None:
        return least(memory_of(device, limit))
    if run.dry_run:
        return Memory(name=f"a card with {run.memory}", total=limit, free=limit)
    raise InputError(
        "memory-of-cpu",
        "--memory is {memory}, and the job runs on the CPU, whose memory is not bounded. A device such as cuda is "
        "needed for it. Leave it out, or add --dry-run to plan for a card of that size.",
        memory=run.memory,
    )
