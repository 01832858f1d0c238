"""Settings: read from the environment, located errors, masked secrets, and all on their page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from connector.errors import ConnectorError
from connector.settings import PREFIX, Limits, Settings, misspelt_variables

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"
NO_NETWORK = (
    "It must be networks such as 10.0.0.0/8 (zeros behind the mask), or the words loopback and "
    "private, separated by commas."
)
PEM = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)


def names() -> dict[str, object]:
    """Every variable and its default."""
    found: dict[str, object] = {}
    for name, field in Settings.model_fields.items():
        if name != "limits":
            found[f"{PREFIX}{name.upper()}"] = field.default
    for name, field in Limits.model_fields.items():
        found[f"{PREFIX}LIMITS__{name.upper()}"] = field.default
    return found


class TestPage:
    def rows(self) -> dict[str, str]:
        """Variable → default, of every table row of the page."""
        text = PAGE.read_text("utf-8")
        return dict(
            re.findall(r"^\| `(CONNECTOR_\w+)` \| ([^|]*?) \| [^|]{10,} \|$", text, re.MULTILINE)
        )

    def test_names_every_setting_and_no_other(self) -> None:
        assert set(self.rows()) == set(names())

    def test_tells_every_default(self) -> None:
        told = {name: default.strip("`") for name, default in self.rows().items()}
        for name, default in names().items():
            plain = "" if default is None else str(default).removesuffix(".0")
            assert told[name] == (plain.lower() if default is False else plain or "none"), name


class TestEnvironment:
    def test_variables_are_read(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CONNECTOR_PORT", "9000")
        monkeypatch.setenv("CONNECTOR_LIMITS__HEADER_SECONDS", "2.5")
        monkeypatch.setenv("CONNECTOR_FATTURE_IN_CLOUD_CLIENT_ID", "id1")
        loaded = Settings.load()
        assert (loaded.port, loaded.limits.header_seconds) == (9000, 2.5)
        assert loaded.limits.body_seconds == Limits().body_seconds
        assert loaded.fatture_in_cloud_client_id == "id1"

    def test_given_values_come_before_the_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CONNECTOR_PORT", "9000")
        assert Settings.load(port=1).port == 1

    def test_wrong_values_are_named_by_their_variable_and_not_repeated(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CONNECTOR_PORT", "s3cret-port")
        monkeypatch.setenv("CONNECTOR_API_TOKEN", "s3cret")
        monkeypatch.setenv("CONNECTOR_LIMITS__HOOK_BYTES", "0")
        with pytest.raises(ConnectorError) as caught:
            Settings.load()
        assert [issue.field for issue in caught.value.issues] == [
            "CONNECTOR_PORT",
            "CONNECTOR_API_TOKEN",
            "CONNECTOR_LIMITS__HOOK_BYTES",
        ]
        assert "s3cret" not in str(caught.value)

    @pytest.mark.parametrize(
        "url",
        ["hub.example", "ftp://hub.example", "https://", "https://a:b@hub.example",
         "https://hub.example/?x=1", "https://hub.example/#x"],
    )  # fmt: skip
    def test_public_url_must_be_a_plain_address(self, url: str) -> None:
        with pytest.raises(ConnectorError, match="CONNECTOR_PUBLIC_URL"):
            Settings.load(public_url=url)

    def test_unknown_name_is_refused_when_given_in_code(self) -> None:
        with pytest.raises(ConnectorError, match="CONNECTOR_PROT"):
            Settings.load(prot=1)

    @pytest.mark.parametrize(
        ("name", "value", "words"),
        [
            ("PORT", "abc", "It must be a whole number."),
            ("PORT", "80.5", "It must be a whole number."),
            ("PORT", "70000", "It must be 65535 or less."),
            ("SETTLE_SECONDS", "soon", "It must be a number."),
            ("SETTLE_SECONDS", "0", "It must be more than 0."),
            ("LOG_LEVEL", "loud", "It must be 'debug', 'info', 'warning' or 'error'."),
            ("ALLOWED_NETWORKS", "lan", NO_NETWORK),
            ("ALLOWED_NETWORKS", "10.0.0.1/8", NO_NETWORK),
            ("ALLOWED_PORTS", "https", "It must be port numbers, separated by commas."),
            ("ALLOWED_PORTS", "", "It must be port numbers, separated by commas."),
            ("ALLOWED_PORTS", "0", "It must be port numbers from 1 to 65535."),
            ("API_TOKEN", "short", "It must have at least 16 characters."),
            ("LIMITS__CONNECTIONS", "0", "It must be 1 or more."),
            ("LIMITS", "x", "It must be a JSON object."),
            ("LIMITS", "[1]", "It must be a JSON object."),
            ("LIMITS__HOOK_BYTE", "1", "There is no such setting."),
        ],
    )
    def test_what_is_wrong_is_said_in_own_words(
        self, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str
    ) -> None:
        monkeypatch.setenv(f"CONNECTOR_{name}", value)
        with pytest.raises(ConnectorError) as caught:
            Settings.load()
        (issue,) = caught.value.issues
        assert (issue.field, issue.message) == (f"CONNECTOR_{name}", words)
        assert "nput" not in str(caught.value)

    def test_a_misspelt_limit_is_told_its_nearest_name(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CONNECTOR_LIMITS__HOOK_BYTE", "1")
        with pytest.raises(ConnectorError, match="Did you mean 'CONNECTOR_LIMITS__HOOK_BYTES'"):
            Settings.load()


class TestMisspeltVariables:
    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("PROT", "PORT"), ("POTR", "PORT"), ("DATABSE", "DATABASE"), ("TOKENS", "TOKEN"),
            ("PUBLICURL", "PUBLIC_URL"), ("MAPPING_STEP", "MAPPING_STEPS"),
            ("API_TOKNE", "API_TOKEN"), ("LIMITS__HOOK_BYTE", "LIMITS__HOOK_BYTES"),
        ],
    )  # fmt: skip
    def test_a_slip_of_the_pen_is_told_what_was_meant(self, name: str, meant: str) -> None:
        told = misspelt_variables([f"CONNECTOR_{name}", "PATH", "OTHER_CONNECTOR_X"], [])
        assert told == {f"CONNECTOR_{name}": f"CONNECTOR_{meant}"}

    @pytest.mark.parametrize(
        "name",
        ["MAPPING_CHAOS", "MAPPING_RATIO", "PART_NO", "POST_TO", "HOME", "KEY_RING", "TRANSPORT"],
    )
    def test_nothing_is_said_of_what_only_begins_or_looks_alike(self, name: str) -> None:
        assert misspelt_variables([f"CONNECTOR_{name}"], []) == {}

    def test_every_setting_is_known_however_it_is_written(self) -> None:
        assert misspelt_variables([*names(), "CONNECTOR_LIMITS", "connector_port"], []) == {}

    def test_what_is_read_elsewhere_is_known(self) -> None:
        assert misspelt_variables(["CONNECTOR_TOKEN", "CONNECTOR_CHAOS_EFFECTS"], []) == {}

    def test_each_installed_app_may_have_a_client(self) -> None:
        asked = ["CONNECTOR_MY_SHOP_CLIENT_ID", "CONNECTOR_MY_SHOP_CLIENT_SECRET"]
        assert misspelt_variables(asked, ["my_shop"]) == {}
        assert misspelt_variables(["CONNECTOR_MY_SHOP_CLIENT_DI"], ["my_shop"]) == {
            "CONNECTOR_MY_SHOP_CLIENT_DI": "CONNECTOR_MY_SHOP_CLIENT_ID"
        }


class TestSecrets:
    def test_print_masked(self) -> None:
        own = Settings.load(
            key="k" * 20, api_token="t" * 20, fatture_in_cloud_client_secret="s" * 20
        )
        for text in (repr(own), str(own), own.model_dump_json(), str(own.model_dump())):
            assert not re.search("k{20}|t{20}|s{20}", text)


class TestDerived:
    def test_base_url_is_the_public_one_without_a_slash(self) -> None:
        assert (
            Settings.load(public_url="https://hub.example/c/").base_url == "https://hub.example/c"
        )

    def test_base_url_falls_back_to_where_we_listen(self) -> None:
        assert Settings.load().base_url == "http://127.0.0.1:8420"
        assert Settings.load(host="::1", port=80).base_url == "http://[::1]:80"

    def test_hosts_are_loopback_own_public_and_allowed(self) -> None:
        own = Settings.load(
            host="10.0.0.1", public_url="https://Hub.example:444/c", allowed_hosts="A.example,[::5]"
        )
        assert own.hosts == {
            "localhost", "127.0.0.1", "::1", "10.0.0.1", "hub.example", "a.example", "::5"
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("given", "rehearsal"),
        [
            ({}, True),
            ({"host": "::1"}, True),
            ({"public_url": "http://localhost:9000/c"}, True),
            ({"host": "0.0.0.0", "public_url": "http://127.0.0.1:1"}, True),
            ({"public_url": "https://hub.example"}, False),
            ({"public_url": "https://localhost.example"}, False),
            ({"host": "0.0.0.0"}, False),
            ({"host": "10.0.0.1"}, False),
        ],
    )
    def test_users_reach_this_machine_only_while_nobody_else_reaches_us(
        self, given: dict[str, str], rehearsal: bool
    ) -> None:
        reach = Settings.load(**given).reach
        assert reach.rehearsal is rehearsal
        assert (reach.refusal("127.0.0.1", 8421, tls=False) is None) is rehearsal
        assert reach.refusal("10.0.0.1", 443, tls=True) is not None

    def test_the_operator_names_networks_and_ports(self) -> None:
        own = Settings.load(
            public_url="https://hub.example", allowed_networks="private", allowed_ports="443,8080"
        )
        assert own.reach.refusal("10.0.0.1", 8080, tls=False) is None
        assert own.reach.refusal("8.8.8.8", 8080, tls=True) is None
        assert own.reach.refusal("127.0.0.1", 443, tls=True) is not None

    def test_database_path(self) -> None:
        assert Settings.load().database_path == Path("connector.db")
        assert Settings.load(database="sqlite:////var/c.db").database_path == Path("/var/c.db")
        assert Settings.load(database="postgresql://x/y").database_path is None

    def test_oauth_client_needs_both_halves(self) -> None:
        assert Settings.load().oauth_client("fatture_in_cloud") is None
        half = Settings.load(fatture_in_cloud_client_id="id")
        assert half.oauth_client("fatture_in_cloud") is None
        both = Settings.load(fatture_in_cloud_client_id="id", fatture_in_cloud_client_secret="se")
        client = both.oauth_client("fatture_in_cloud")
        assert client is not None
        assert (client.client_id, client.client_secret) == ("id", SecretStr("se"))

    def test_oauth_client_of_a_plugins_app_follows_the_same_rule(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert Settings.load().oauth_client("my_shop") is None
        monkeypatch.setenv("CONNECTOR_MY_SHOP_CLIENT_ID", "id")
        monkeypatch.setenv("CONNECTOR_MY_SHOP_CLIENT_SECRET", "se")
        client = Settings.load().oauth_client("my_shop")
        assert client is not None
        assert client.client_secret.get_secret_value() == "se"


class TestWebhookKeys:
    def test_none_by_default(self) -> None:
        assert Settings.load().fatture_in_cloud_public_keys() == ()

    def test_text_with_two_keys(self) -> None:
        own = Settings.load(fatture_in_cloud_keys=f"{PEM}\n{PEM}\n")
        assert own.fatture_in_cloud_public_keys() == (PEM, PEM)

    def test_file(self, tmp_path: Path) -> None:
        path = tmp_path / "keys.pem"
        path.write_text(f"# ours\n{PEM}\n", "ascii")
        own = Settings.load(fatture_in_cloud_keys=str(path))
        assert own.fatture_in_cloud_public_keys() == (PEM,)

    @pytest.mark.parametrize("content", ["", "no key", "\xff"])
    def test_file_without_a_key_is_said_so(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "keys.pem"
        path.write_text(content, "latin-1")
        with pytest.raises(ConnectorError, match="FATTURE_IN_CLOUD_KEYS"):
            Settings.load(fatture_in_cloud_keys=str(path)).fatture_in_cloud_public_keys()

    def test_missing_file_is_said_so(self, tmp_path: Path) -> None:
        own = Settings.load(fatture_in_cloud_keys=str(tmp_path / "none.pem"))
        with pytest.raises(ConnectorError, match="cannot be read"):
            own.fatture_in_cloud_public_keys()
