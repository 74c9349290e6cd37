"""`make env` adds what is missing and never touches what is there."""

import pytest

from socialhub.env import Env
from socialhub.make_env import main, make_env, names_in


@pytest.fixture(autouse=True)
def _no_keys_in_the_environment(monkeypatch):
    for name in ("SECRET_KEY", "CREDENTIAL_KEYS"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"{name}_FILE", raising=False)


def values(path):
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines if line)


def test_a_first_file_has_keys_that_the_settings_accept(tmp_path, monkeypatch):
    path = tmp_path / ".env"
    assert make_env(path) == ["SECRET_KEY", "CREDENTIAL_KEYS"]
    made = values(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(made["SECRET_KEY"]) >= 50
    monkeypatch.setenv("CREDENTIAL_KEYS", made["CREDENTIAL_KEYS"])
    assert Env(tmp_path / "none").fernet_keys("CREDENTIAL_KEYS")
    assert {"# SITE_URL", "# PRACTICE_NETWORK_URL"} <= {
        line.split("=")[0] for line in path.read_text().splitlines()
    }


def test_two_files_never_share_a_key(tmp_path):
    make_env(tmp_path / "one")
    make_env(tmp_path / "two")
    one, two = values(tmp_path / "one"), values(tmp_path / "two")
    assert not set(one.values()) & set(two.values())


def test_a_second_run_changes_nothing(tmp_path):
    path = tmp_path / ".env"
    make_env(path)
    before = path.read_bytes()
    assert make_env(path) == []
    assert path.read_bytes() == before


def test_what_a_person_wrote_stays_and_only_the_missing_key_is_added(tmp_path):
    path = tmp_path / ".env"
    path.write_text("PORT=9000\nSECRET_KEY=mine\n#CREDENTIAL_KEYS=old")
    assert make_env(path) == ["CREDENTIAL_KEYS"]
    assert path.read_text().startswith(
        "PORT=9000\nSECRET_KEY=mine\n#CREDENTIAL_KEYS=old\n"
    )
    assert values(path).keys() == {"PORT", "SECRET_KEY", "CREDENTIAL_KEYS"}


def test_an_empty_value_is_filled_by_a_later_line(tmp_path):
    path = tmp_path / ".env"
    path.write_text("SECRET_KEY=\n")
    assert "SECRET_KEY" in make_env(path)
    assert values(path)["SECRET_KEY"]
    assert names_in("A=\nexport B=1\n# C=2\nD") == {"B"}


def test_keys_of_the_environment_are_not_made_again(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_KEY_FILE", "/run/secrets/key")
    assert make_env(tmp_path / ".env") == ["CREDENTIAL_KEYS"]


def test_a_folder_that_cannot_be_written_gives_one_sentence(
    tmp_path, monkeypatch, capsys
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SOCIALHUB_ENV_FILE", str(tmp_path / "file" / ".env"))
    assert main() == 2
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert "make the file and its folder writable" in errors
