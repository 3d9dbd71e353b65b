"""The settings and options of the provider say all that is wrong with them, and never a secret."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given, strategies as st

from headend.errors import ConfigurationError
from headend.plugin import Secret
from headend.settings import describe_settings, load_settings, structure_options, unknown_options
from headend_cloudflare.settings import (
    DEFAULT_API_URL,
    CloudflareOptions,
    CloudflareSettings,
    is_http_address,
)

ACCOUNT = "023e105f4ecef8ad9ca31a8372d0c353"
REQUIRED = {
    "CLOUDFLARE_STREAM_ACCOUNT_ID": ACCOUNT,
    "CLOUDFLARE_STREAM_API_TOKEN": "cfat_planted-token",
}

KEY = base64.b64encode(
    b"-----BEGIN RSA PRIVATE KEY-----\nplanted\n-----END RSA PRIVATE KEY-----\n"
).decode()


def load(**environ: str) -> CloudflareSettings:
    named = {f"CLOUDFLARE_STREAM_{name}": value for name, value in environ.items()}
    return load_settings(CloudflareSettings, subject="cloudflare", environ=REQUIRED | named)


def options(**given_options: object) -> CloudflareOptions:
    made, problems = structure_options(CloudflareOptions, given_options)
    assert made is not None, problems
    return made


def problems_of(**given_options: object) -> list[tuple[str, str]]:
    made, problems = structure_options(CloudflareOptions, given_options)
    assert made is None
    return problems


def test_account_and_token_are_enough():
    settings = load()

    assert settings.account_id == ACCOUNT
    assert settings.api_token == Secret("cfat_planted-token")
    assert settings.api_url == DEFAULT_API_URL == "https://api.cloudflare.com/client/v4"
    assert settings.timeout == 30.0
    assert settings.customer_url is None
    assert settings.notification_secret is settings.webhook_secret is None
    assert settings.signing_key_id is settings.signing_key is None


def test_every_variable_is_in_the_namespace_of_the_platform():
    infos = describe_settings(CloudflareSettings)

    assert [info.env for info in infos] == [
        f"CLOUDFLARE_STREAM_{info.name.upper()}" for info in infos
    ]
    assert {info.name for info in infos if info.required} == {"account_id", "api_token"}
    assert {info.name for info in infos if info.secret} == {
        "api_token",
        "notification_secret",
        "webhook_secret",
        "signing_key",
    }


def test_all_problems_are_told_at_once_with_what_to_do():
    with pytest.raises(ConfigurationError) as caught:
        load_settings(
            CloudflareSettings,
            subject="cloudflare",
            environ={
                "CLOUDFLARE_STREAM_ACCOUNT_ID": "my account",
                "CLOUDFLARE_STREAM_API_TOKEN": "planted token",
                "CLOUDFLARE_STREAM_API_URL": "ftp://planted@api.example",
                "CLOUDFLARE_STREAM_CUSTOMER_URL": "customer-planted.cloudflarestream.com",
                "CLOUDFLARE_STREAM_NOTIFICATION_SECRET": "planted\tsecret",
                "CLOUDFLARE_STREAM_WEBHOOK_SECRET": "planted secret",
                "CLOUDFLARE_STREAM_SIGNING_KEY_ID": "planted key id",
                "CLOUDFLARE_STREAM_SIGNING_KEY": "-----BEGIN planted KEY-----",
                "CLOUDFLARE_STREAM_TIMEOUT": "0",
            },
        )

    named = [problem.partition(":")[0] for problem in caught.value.problems]
    assert named == [info.env for info in describe_settings(CloudflareSettings)]
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize(
    ("given_one", "missing"),
    [("SIGNING_KEY", "SIGNING_KEY_ID"), ("SIGNING_KEY_ID", "SIGNING_KEY")],
)
def test_a_signing_key_and_its_id_go_together(given_one: str, missing: str):
    with pytest.raises(ConfigurationError, match=f"CLOUDFLARE_STREAM_{missing}: is missing"):
        load(**{given_one: KEY if given_one == "SIGNING_KEY" else "planted"})

    whole = load(SIGNING_KEY=KEY, SIGNING_KEY_ID="8f926b2b01f383510025a78a4dcbf6a")
    assert whole.signing_key == Secret(KEY)


@pytest.mark.parametrize(
    "key",
    [
        "planted",
        "plänted",
        "-----BEGIN RSA PRIVATE KEY-----",
        base64.b64encode(b"planted").decode(),
        base64.b64encode(base64.b64decode(KEY)[:50]).decode(),
        base64.b64encode(base64.b64decode(KEY).replace(b"PRIVATE", b"PUBLIC")).decode(),
        base64.b64encode(KEY.encode()).decode(),
        KEY[:-8],
    ],
)
def test_a_signing_key_that_is_none_is_found_before_it_is_needed(key: str):
    with pytest.raises(ConfigurationError, match="SIGNING_KEY: is no signing key") as caught:
        load(SIGNING_KEY=key, SIGNING_KEY_ID="8f926b2b01f383510025a78a4dcbf6a")
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("name", ["NOTIFICATION_SECRET", "WEBHOOK_SECRET"])
def test_a_secret_that_proves_events_is_not_one_that_is_soon_guessed(name: str):
    with pytest.raises(ConfigurationError, match=f"{name}: must have 8 signs at least"):
        load(**{name: "planted"})
    assert load(**{name: "planted8"})


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8000/client/v4",
        "https://customer-m033z5x00ks6nunl.cloudflarestream.com",
        "http://localhost:9/customer-abc/",
        "https://[::1]:8443",
    ],
)
def test_an_address_may_have_a_port_and_a_path(url: str):
    assert is_http_address(url)
    assert load(API_URL=url).api_url == url
    assert load(CUSTOMER_URL=url).customer_url == url


@pytest.mark.parametrize("host", ["127.1.2.3:80", "[::1]:80", "LOCALHOST:80/x"])
def test_what_never_leaves_this_machine_may_go_unencrypted(host: str):
    assert load(API_URL=f"http://{host}").api_url == f"http://{host}"


@pytest.mark.parametrize(
    "host",
    ["api.example", "10.0.0.1:8080", "localhost.example", "127.0.0.1.example", "[::2]", "0.0.0.0"],
)
@pytest.mark.parametrize("name", ["API_URL", "CUSTOMER_URL"])
def test_nothing_goes_unencrypted_to_another_machine(name: str, host: str):
    with pytest.raises(ConfigurationError, match=f"{name}: must be an https:// address: by http"):
        load(**{name: f"http://{host}/client"})


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https://user:planted@api.example",
        "https://api.example?token=planted",
        "https://api.example#planted",
        "https://api.example:0",
        "https://api.example:port",
        "https://[::1",
        "https://api example",
        "https://äpi.example",
        "https://api.example\n",
        "//api.example",
        "rtmps://api.example",
    ],
)
def test_what_is_no_plain_http_address_is_none(url: str):
    assert not is_http_address(url)


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_not(text: str):
    assert is_http_address(text) in {True, False}
    assert is_http_address(f"https://api.example/{text}") == (
        not set(text) - set(string.ascii_letters + string.digits + string.punctuation)
        and not set(text) & set("@?#")
    )


def test_no_secret_is_in_the_repr():
    settings = load(
        NOTIFICATION_SECRET="planted-1", WEBHOOK_SECRET="planted-2", SIGNING_KEY_ID="id",
        SIGNING_KEY=KEY,
    )  # fmt: skip

    for shown in (repr(settings), str(settings)):
        assert "planted" not in shown
        assert KEY not in shown


# -- options --------------------------------------------------------------------------------------


def test_no_option_is_needed():
    assert options() == CloudflareOptions(
        delete_recording_after_days=None,
        require_signed_urls=False,
        allowed_origins=None,
        timeout_seconds=None,
        hide_live_viewer_count=False,
        default_creator=None,
    )


def test_options_are_read_as_a_command_line_gives_them():
    assert options(
        delete_recording_after_days="30",
        require_signed_urls="yes",
        allowed_origins="example.com, *.example.org,localhost:8080",
        timeout_seconds="0",
        hide_live_viewer_count="true",
        default_creator="crew 7",
    ) == CloudflareOptions(
        delete_recording_after_days=30,
        require_signed_urls=True,
        allowed_origins=("example.com", "*.example.org", "localhost:8080"),
        timeout_seconds=0,
        hide_live_viewer_count=True,
        default_creator="crew 7",
    )


@given(st.integers())
def test_recordings_are_kept_from_30_to_1096_days(days: int):
    if 30 <= days <= 1096:
        assert options(delete_recording_after_days=days).delete_recording_after_days == days
    else:
        [(name, what)] = problems_of(delete_recording_after_days=days)
        assert name == "delete_recording_after_days"
        assert "from 30 to 1096 days" in what


@pytest.mark.parametrize(
    "origin",
    [
        "https://example.com",
        "example.com/path",
        "*",
        "*.",
        "a.*.example.com",
        "example..com",
        "-example.com",
        "example.com:",
        "example.com:0",
        "exa mple.com",
        "bücher.example",
        "a" * 64,
        ".".join(["a" * 60] * 5),
    ],
)
def test_an_origin_is_a_host_name(origin: str):
    [(name, what)] = problems_of(allowed_origins=["example.com", origin])

    assert name == "allowed_origins"
    assert repr(origin) in what


@pytest.mark.parametrize("nothing", ["", " ", ",", [], [""], ()])
def test_a_restriction_to_no_origin_at_all_is_refused(nothing: object):
    [(name, what)] = problems_of(allowed_origins=nothing)

    assert name == "allowed_origins"
    assert "every page may show the live stream" in what


def test_further_limits_are_those_of_the_platform():
    assert options(default_creator="c" * 64).default_creator == "c" * 64
    assert [name for name, _what in problems_of(default_creator="c" * 65)] == ["default_creator"]
    assert [name for name, _what in problems_of(default_creator="\ud800")] == ["default_creator"]
    assert [name for name, _what in problems_of(timeout_seconds=-1)] == ["timeout_seconds"]


def test_an_unknown_option_is_told_with_the_known_ones():
    [(name, what)] = unknown_options(CloudflareOptions, ["retention"])

    assert name == "retention"
    assert "delete_recording_after_days" in what
