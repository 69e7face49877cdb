import json
import logging
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from unittest.mock import Mock

import pytest
from jax.errors import JaxRuntimeError

from sinlstm_jax import InputError, SineLSTM, curriculum, load_pretrained, save_model
from sinlstm_jax.errors import Interrupted, SaveFailed

NO_MEMORY = "error: there is not enough memory for this: give smaller sizes\n"
DISTRIBUTED = ["--coordinator", "host:1", "--processes", "2", "--process-index", "0"]


def test_help_explains_every_option(command):
    code, output, _ = command("curriculum", "--help")
    assert code == 0
    for option in (
        "recipe seed replicates out checkpoint-every display-every hidden-size batch-size "
        "implementation coordinator processes process-index list-recipes"
    ).split():
        assert f"--{option} " in output
    assert "--device {cpu,gpu,tpu}" in output
    assert "resumes where it stopped" in output
    assert "(default: runs/RECIPE-SEED)" in output and "None" not in output


def test_help_names_every_subcommand(command):
    code, output, _ = command("--help")
    assert code == 0
    for name in "curriculum evaluate convert playground forecast export".split():
        assert f"• {name} " in output


def test_the_version_is_that_of_the_project(command):
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert command("--version") == (0, f"sinlstm {project['version']}\n", "")
    assert "--version" in command("--help")[1]


def test_bash_completes_as_the_page_says(command, tmp_path):
    code, script, errors = command("--tyro-print-completion", "bash")
    assert (code, errors) == (0, "")
    (tmp_path / "sinlstm.bash").write_text(script)
    page = (Path(__file__).parents[2] / "docs" / "using.md").read_text()
    (registration,) = re.findall(r"^ {4}(complete .*)$", page, re.MULTILINE)
    ask = (
        f"source sinlstm.bash\n{registration}\n"
        'ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()\n'
        '_tyro_sinlstm sinlstm "${@: -1}" "${@: -2:1}"; echo "${COMPREPLY[@]}"; }\n'
        "complete -p sinlstm\nask sinlstm cu\nask sinlstm curriculum --recipe-\n"
        "ask sinlstm curriculum --implementation f\n"
    )
    done = subprocess.run(["bash", "-c", ask], cwd=tmp_path, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [registration, "curriculum", "--recipe-file", "fused"]


def test_a_shell_that_is_none_is_named_on_one_line(command):
    code, output, errors = command("--tyro-print-completion", "fsh")
    assert (code, output) == (2, "")
    assert errors.endswith("but got fsh\n") and errors.count("\n") == 1


def test_list_recipes_shows_all(command, tmp_path):
    code, output, _ = command("curriculum", "--list-recipes")
    assert code == 0
    assert "horizon 400, 20000 iterations, learning rate 0.0005, epsilon 0.04" in output
    for name in ("curriculum:", "short-window:", "long-window:", "smoke:"):
        assert name in output
    assert "SineLSTM of 15 units, 100 steps observed, 20 windows an iteration" in output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--recipe", "smok"], "--recipe is 'smok': give one of curriculum"),
        (["--hidden-size", "0"], "hidden_size is 0: give"),
        (["--hidden-size", "4097"], "hidden_size is 4097: give at most 4096"),
        (["--batch-size", "-2"], "batch_size is -2: give"),
        (["--display-every", "0"], "display_every is 0: give"),
        (["--checkpoint-every", "0"], "checkpoint_every is 0: give"),
        (["--seed", "-1"], "seed is -1: give"),
        (["--replicates", "0"], "replicates is 0: give"),
        (["--replicates", "2", "--seed", "4294967295"], "give a seed of at most 4294967294"),
        (["--processes", "2"], "--coordinator and --process-index not given: give all of"),
        (["--coordinator", "a:1", "--process-index", "0"], "--processes not given: give all"),
        ([*DISTRIBUTED, "--coordinator", "host"], "--coordinator is 'host': give HOST:PORT"),
        ([*DISTRIBUTED, "--coordinator", "h:99999"], "'h:99999': give HOST:PORT"),
        ([*DISTRIBUTED, "--processes", "0"], "--processes is 0: give"),
        ([*DISTRIBUTED, "--process-index", "2"], "--process-index is 2: give a number from 0 to 1"),
        (["--device", "gpu"], "--device is 'gpu', but JAX finds only 'cpu' here"),
        (["--out", "file/run"], "file/run cannot be written (Not a directory)"),
        (["--out", "x" * 5000], "is not a path that can be used (File name too long)"),
        (["--seed", "x"], "error: Error parsing --seed: invalid literal for int()"),
        (
            ["--sed", "1"],
            "error: Unrecognized options: --sed, 1: --help shows what can be given; did you mean "
            "--seed?\n",
        ),
        (["--stepz", "1"], "--stepz, 1: --help shows what can be given\n"),  # forecast has --steps
        (["--recip", "x", "--sed", "1"], "; did you mean --recipe?; did you mean --seed?\n"),
        (["--zzz"], "error: Unrecognized options: --zzz: --help shows what can be given\n"),
        (["--recipe", "curriculm"], "long, smoke; did you mean curriculum?\n"),
        (["--recipe", "xyz"], "long, smoke\n"),
        (["--device", "abacus"], "error: invalid choice 'abacus' for argument '--device'"),
        (["--out"], "error: Missing value for argument '--out'"),
    ],
)
def test_bad_input_gets_one_line_and_exit_code_2(command, tmp_path, arguments, complaint):
    (tmp_path / "file").write_text("")
    code, output, errors = command("curriculum", "--recipe", "smoke", *arguments)
    assert code == 2
    assert output == ""
    assert errors.startswith("error: ") and complaint in errors
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("curriculm --seed 1", "'curriculm' is no subcommand: give one of curriculum, train, "),
        ("trian x.csv", "export; did you mean train?\n"),
        ("xyz", "forecast, export\n"),
        (
            "forecast --model tunde",
            "tunde does not exist: give a run's folder or a checkpoint; did",
        ),
        ("evaluate tuned curiculum --out x", "checkpoint; did you mean curriculum?\n"),
        ("export tunde x", "did you mean tuned?\n"),
        ("playground sensr", "did you mean sensor?\n"),
        ("convert lnog x", "did you mean long?\n"),
        ("forecast --stepz 1", "; did you mean --steps?\n"),
    ],
)
def test_misspelt_names_are_told_what_they_are_like(command, tmp_path, line, complaint):
    code, output, errors = command(*line.split(), given="0\n")
    assert (code, output) == (2, "")
    assert errors.startswith("error: ") and complaint in errors and errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_run_goes_to_a_folder_named_after_recipe_and_seed(command, tmp_path):
    code, output, errors = command(
        *"curriculum --recipe smoke --batch-size 1 --hidden-size 1 --seed 5".split(),
        *"--device cpu --display-every 40 --implementation scan --tensorboard".split(),
    )
    assert (code, errors) == (0, "")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["smoke-5"]
    assert any((tmp_path / "runs" / "smoke-5" / "tensorboard").iterdir())
    description = json.loads((tmp_path / "runs" / "smoke-5" / "run.json").read_text())
    named = ("recipe", "seed", "hidden_size", "batch_size", "device", "implementation")
    assert [description[name] for name in named] == ["smoke", 5, 1, 1, "cpu", "scan"]
    assert "step    160" in output and "step     50" not in output
    assert "average" in output and "of 40" in output
    assert "tutorial" not in output  # it has no such run


@pytest.mark.slow
def test_quiet_trains_as_ever_and_prints_nothing(command, tmp_path):
    tiny = ("curriculum", "--recipe", "smoke", "--batch-size", 1, "--hidden-size", 1)
    assert command(*tiny, "--out", "quiet", "--quiet") == (0, "", "")
    assert command(*tiny, "--out", "told")[0] == 0
    quiet, told = ((tmp_path / name / "metrics.csv").read_text() for name in ("quiet", "told"))
    assert quiet == told
    code, output, errors = command(*tiny, "--out", "quiet", "--quiet", "--seed", 1)
    assert (code, output) == (2, "") and "seed 4112, not 1" in errors


def test_conversions_say_what_they_wrote_or_why_not(command, tmp_path):
    failed = "error: nothing.safetensors is not a file: give one that is there\n"
    assert command("convert", "nothing.safetensors", "model") == (2, "", failed)
    assert list(tmp_path.iterdir()) == []
    save_model(load_pretrained("curriculum"), tmp_path / "run")
    made = "a.safetensors: 15 hidden units, from run\n"
    assert command("convert", "run", "a.safetensors") == (0, made, "")
    assert (tmp_path / "a.safetensors").is_file()


@pytest.mark.slow
def test_a_run_of_another_seed_or_size_is_not_overwritten(command, tmp_path):
    small = (
        "curriculum",
        "--recipe",
        "smoke",
        "--batch-size",
        "1",
        "--hidden-size",
        "2",
        "--out",
        "run",
    )
    assert command(*small)[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for changes, complaint in (
        (["--seed", "1"], "seed 4112, not 1"),
        (["--hidden-size", "3"], "hidden_size 2, not 3"),
        (["--batch-size", "2"], "batch_size 1, not 2"),
        (["--recipe", "short-window"], "recipe smoke, not short-window"),
    ):
        code, output, errors = command(*small, *changes)
        assert (code, output) == (2, "")
        assert complaint in errors
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_user_without_a_home_has_no_cache_and_no_traceback(command, monkeypatch):
    nowhere = Path("~/.cache/sinlstm_jax")  # as platformdirs answers there
    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: nowhere)
    code, output, errors = command("curriculum", "--list-recipes")
    assert (code, errors) == (0, "") and "tuned" in output


@pytest.mark.slow
def test_several_models_are_evaluated_in_one_table_each_into_its_folder(command, tmp_path):
    for name in ("one", "two"):
        save_model(SineLSTM(3), tmp_path / name)
    arguments = ("one", tmp_path / "two" / "checkpoints" / "0", "--horizon", "400")
    code, output, errors = command("evaluate", *arguments)
    assert (code, errors) == (0, "")
    assert len(re.findall(r"^(?:one|two-0|zero|last value|sine fit) ", output, re.MULTILINE)) == 20
    for folder in ("one/evaluation", "two/evaluation-0"):
        assert f"CSV files and pictures are in {tmp_path / folder}\n" in output
        files = {path.name for path in (tmp_path / folder).iterdir()}
        assert {"errors.csv", "waves.csv", "error.png", "frequency.png"} < files
    assert {path.name for path in (tmp_path / "two").iterdir()} == {"checkpoints", "evaluation-0"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "no run is named: give folders of runs, or one of sensor, cur"),
        (["curriculum"], "curriculum ships, and has no folder of its own: give --out"),
        (["nowhere"], "nowhere does not exist: give a run's folder"),
        (["curriculum", "curriculum", "--out", "x"], "would be called curriculum, like another"),
        (["zero"], "would be called zero, like another"),
        (["curriculum", "--out", "x", "--horizon", "399"], "horizon is 399: give at least 400"),
        (["curriculum", "--out", "file"], "file/curriculum cannot be made (Not a directory)"),
    ],
)
def test_bad_input_to_evaluate_leaves_nothing(command, tmp_path, arguments, complaint):
    (tmp_path / "file").write_text("")
    code, output, errors = command("evaluate", *arguments)
    assert (code, output) == (2, "")
    assert errors.startswith("error: ") and complaint in errors
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (Interrupted("stopped at stage 1", 15), (143, "", "stopped at stage 1\n")),
        (Interrupted("stopped at stage 1", 2), (130, "", "stopped at stage 1\n")),
        (SaveFailed("no room"), (4, "", "error: no room\n")),
        (
            OSError(28, "No space left on device"),
            (
                4,
                "",
                "error: a file cannot be read or written ([Errno 28] No space left on device): "
                "fix that\n",
            ),
        ),
        (MemoryError(), (2, "", NO_MEMORY)),
        (JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory"), (2, "", NO_MEMORY)),
    ],
)
def test_exit_codes_tell_why_a_run_ended(command, monkeypatch, error, expected):
    monkeypatch.setattr(curriculum, "run", Mock(side_effect=error))
    assert command("curriculum", "--recipe", "smoke") == expected


@pytest.mark.slow
def test_sizes_beyond_all_memory_end_with_one_line_and_block_no_folder(command, tmp_path):
    wanted = ("curriculum", "--recipe", "smoke", "--hidden-size", "1", "--out", "run")
    code, _, errors = command(*wanted, "--batch-size", 2**31 - 1)
    assert (code, errors) == (2, NO_MEMORY)
    assert command(*wanted, "--batch-size", "1")[0] == 0


def test_other_errors_of_jax_are_not_hidden(command, monkeypatch):
    monkeypatch.setattr(curriculum, "run", Mock(side_effect=JaxRuntimeError("INTERNAL")))
    with pytest.raises(JaxRuntimeError):
        command("curriculum", "--recipe", "smoke")


def test_what_the_package_logs_is_one_line_each(command, monkeypatch):
    def warned(*_, **__):
        logging.getLogger("sinlstm_jax").warning("it rains")
        raise InputError("no umbrella")

    monkeypatch.setattr(curriculum, "run", warned)
    assert command("curriculum", "--recipe", "smoke") == (
        2,
        "",
        "warning: it rains\nerror: no umbrella\n",
    )


def test_a_coordinator_that_is_not_reached_is_named(tmp_path):
    code = (
        "from sinlstm_jax.commands.main import main; from sinlstm_jax.runs import processes; "
        "processes.JOIN_TIMEOUT = 1; main()"
    )
    options = ["--coordinator", "127.0.0.1:1", "--processes", "2", "--process-index", "1"]
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, "curriculum", *options, "--out", "run"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("error: --coordinator is '127.0.0.1:1', where 2 processes did")
    assert result.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_without_a_traceback(command, monkeypatch):
    monkeypatch.setattr(curriculum, "run", Mock(side_effect=KeyboardInterrupt))
    said = "interrupted: the same command resumes, or starts again\n"
    assert command("curriculum", "--recipe", "smoke") == (130, "", said)
