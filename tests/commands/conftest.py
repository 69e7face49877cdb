"""Runs `sinlstm` within the test's own process and folder."""

import io

import pytest

from sinlstm_jax.commands.main import main


@pytest.fixture
def command(monkeypatch, tmp_path, capsys):
    """Run a subcommand in an empty folder, on some input: (exit code, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, given=""):
        monkeypatch.setattr("sys.stdin", io.StringIO(given))
        code = 0
        try:
            main([*map(str, arguments)])
        except SystemExit as error:
            code = error.code or 0
        return code, *capsys.readouterr()

    return run
