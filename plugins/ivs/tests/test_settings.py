from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from headend.plugin import ConfigurationError, Secret
from headend.settings import describe_settings, load_settings, structure_options
from headend_ivs.settings import ChannelType, IvsOptions, IvsSettings, Preset

PEM = "-----BEGIN PRIVATE KEY-----\nMIG2AgEAplanted\n-----END PRIVATE KEY-----\n"
WHOLE = {
    "AWS_IVS_REGION": "eu-west-1",
    "AWS_IVS_ACCESS_KEY_ID": "ASIAPLANTED",
    "AWS_IVS_SECRET_ACCESS_KEY": "planted/secret",
    "AWS_IVS_SESSION_TOKEN": "planted+token==",
    "AWS_IVS_PROFILE": "live",
    "AWS_IVS_ROLE_ARN": "arn:aws:iam::123456789012:role/service-role/live",
    "AWS_IVS_INGEST_URL": "rtmp://127.0.0.1:1935/app/",
    "AWS_IVS_TIMEOUT": "2.5",
    "AWS_IVS_PLAYBACK_KEY": PEM,
    "AWS_IVS_PLAYBACK_ORIGINS": "https://www.example.com, http://*.example.com:8080",
    "AWS_IVS_EVENT_SECRET": "planted-event-secret",
    "AWS_IVS_EVENTS_FROM_QUEUE": "true",
}


def load(environ: dict[str, str]) -> IvsSettings:
    return load_settings(IvsSettings, subject="aws-ivs", environ=environ)


def problems(environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(environ)
    return list(caught.value.problems)


def test_nothing_has_to_be_set_and_the_region_is_oregon() -> None:
    settings = load({})
    assert settings.region == "us-west-2"
    assert settings.timeout == 10.0
    assert settings.access_key_id is settings.secret_access_key is settings.profile is None


def test_every_setting_is_read_from_its_variable() -> None:
    settings = load(WHOLE)
    assert settings.region == "eu-west-1"
    assert settings.access_key_id == Secret("ASIAPLANTED")
    assert settings.secret_access_key == Secret("planted/secret")
    assert settings.session_token == Secret("planted+token==")
    assert settings.profile == "live"
    assert settings.role_arn == "arn:aws:iam::123456789012:role/service-role/live"
    assert settings.ingest_url == "rtmp://127.0.0.1:1935/app/"
    assert settings.timeout == 2.5
    assert settings.playback_key == Secret(PEM.strip())
    assert settings.playback_origins == "https://www.example.com, http://*.example.com:8080"
    assert settings.event_secret == Secret("planted-event-secret")
    assert settings.events_from_queue is True


def test_each_setting_says_what_it_is() -> None:
    assert {info.env for info in describe_settings(IvsSettings)} == set(WHOLE)
    assert all(info.help for info in describe_settings(IvsSettings))


def test_settings_do_not_show_their_secrets() -> None:
    assert "planted" not in repr(load(WHOLE)).lower()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ("AWS_IVS_ACCESS_KEY_ID", "AWS_IVS_SECRET_ACCESS_KEY"),
        ("AWS_IVS_SECRET_ACCESS_KEY", "AWS_IVS_ACCESS_KEY_ID"),
    ],
)
def test_one_half_of_an_access_key_is_refused_naming_the_other(given: str, missing: str) -> None:
    (problem,) = problems({given: "planted"})
    assert problem.startswith(f"{missing}: is missing, and {given} is set: set both or neither")
    assert "planted" not in problem


def test_an_empty_half_counts_as_missing() -> None:
    (problem,) = problems({**WHOLE, "AWS_IVS_SECRET_ACCESS_KEY": " ", "AWS_IVS_SESSION_TOKEN": ""})
    assert problem.startswith("AWS_IVS_SECRET_ACCESS_KEY: is missing")


def test_a_session_token_without_its_keys_is_refused() -> None:
    (problem,) = problems({"AWS_IVS_SESSION_TOKEN": "planted"})
    assert problem.startswith("AWS_IVS_SESSION_TOKEN: is set without the keys")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("AWS_IVS_REGION", "eu-north-1", "must be a region that has IVS (ap-northeast-1, "),
        ("AWS_IVS_ROLE_ARN", "live", "must be the ARN of a role"),
        ("AWS_IVS_ROLE_ARN", "arn:aws:iam::123456789012:user/live", "must be the ARN of a role"),
        ("AWS_IVS_INGEST_URL", "https://127.0.0.1/app", "must be an rtmp:// or rtmps:// address"),
        ("AWS_IVS_INGEST_URL", "rtmp://[::1/app", "must be an rtmp:// or rtmps:// address"),
        ("AWS_IVS_INGEST_URL", "rtmp://u:hunter2@host/app", "must not hold a user name"),
        ("AWS_IVS_TIMEOUT", "0", "must be more than 0, not 0"),
        ("AWS_IVS_PLAYBACK_KEY", "-----BEGIN PUBLIC KEY-----\nhunter2", "must be a private key"),
        ("AWS_IVS_PLAYBACK_ORIGINS", "www.example.com", "must be websites as https://"),
        ("AWS_IVS_PLAYBACK_ORIGINS", "https://a.example,", "must be websites as https://"),
        ("AWS_IVS_PLAYBACK_ORIGINS", "https://a.example/x", "must be websites as https://"),
        ("AWS_IVS_PLAYBACK_ORIGINS", f"https://{'a' * 1000}", "must have at most 1000 signs"),
        ("AWS_IVS_EVENT_SECRET", "hunter2 hunter2", "must be ASCII letters, digits and signs"),
        (
            "AWS_IVS_EVENT_SECRET",
            "hunter2",
            "must have 8 signs at least, so that nobody guesses it",
        ),
        ("AWS_IVS_ACCESS_KEY_ID", "hunter2 hunter2", "must be ASCII letters, digits and signs"),
        ("AWS_IVS_SECRET_ACCESS_KEY", "hunter2ß", "must be ASCII letters, digits and signs"),
    ],
)
def test_a_wrong_value_is_refused_by_name_and_never_shows_a_secret(
    name: str, value: str, words: str
) -> None:
    (problem,) = problems({**WHOLE, name: value})
    assert problem.startswith(f"{name}: ")
    assert words in problem
    assert "hunter2" not in problem


def test_all_problems_are_told_at_once() -> None:
    found = problems({"AWS_IVS_REGION": "mars", "AWS_IVS_TIMEOUT": "soon", "AWS_IVS_ROLE_ARN": "x"})
    assert {problem.partition(":")[0] for problem in found} >= {"AWS_IVS_TIMEOUT"}
    found = problems({"AWS_IVS_REGION": "mars", "AWS_IVS_ROLE_ARN": "x"})
    assert [problem.partition(":")[0] for problem in found] == [
        "AWS_IVS_REGION",
        "AWS_IVS_ROLE_ARN",
    ]


@given(st.dictionaries(st.sampled_from([*WHOLE]), st.text(max_size=60)))
def test_any_values_are_settings_or_problems_by_name(values: dict[str, str]) -> None:
    found = outcome(values)
    if not isinstance(found, IvsSettings):
        assert found
        assert all(problem.partition(":")[0] in WHOLE for problem in found)


def outcome(environ: dict[str, str]) -> IvsSettings | tuple[str, ...]:
    try:
        return load(environ)
    except ConfigurationError as error:
        return error.problems


def test_options_are_those_of_a_channel_and_all_have_defaults() -> None:
    made, wrong = structure_options(IvsOptions, {})
    assert made == IvsOptions(type=ChannelType.STANDARD)
    assert wrong == []


def test_options_are_read_from_words() -> None:
    made, wrong = structure_options(
        IvsOptions,
        {
            "type": "advanced_hd",
            "insecure_ingest": "yes",
            "authorized": "true",
            "preset": "CONSTRAINED_BANDWIDTH_DELIVERY",
            "recording_configuration_arn": (
                "arn:aws:ivs:us-west-2:123456789012:recording-configuration/AbC123"
            ),
        },
    )
    assert wrong == []
    assert made is not None
    assert made.type is ChannelType.ADVANCED_HD
    assert made.preset is Preset.CONSTRAINED_BANDWIDTH_DELIVERY
    assert made.insecure_ingest is True
    assert made.authorized is True


@pytest.mark.parametrize(
    ("given", "name", "words"),
    [
        ({"type": "PREMIUM"}, "type", "must be one of BASIC, STANDARD, ADVANCED_SD, ADVANCED_HD"),
        ({"preset": "HIGHER_BANDWIDTH_DELIVERY"}, "preset", "is for the types ADVANCED_SD and"),
        (
            {"recording_configuration_arn": "arn:aws:s3:::bucket"},
            "recording_configuration_arn",
            "must be the ARN of a recording configuration",
        ),
    ],
)
def test_options_that_ivs_does_not_have_are_refused(
    given: dict[str, object], name: str, words: str
) -> None:
    made, wrong = structure_options(IvsOptions, given)
    assert made is None
    ((found, problem),) = wrong
    assert found == name
    assert words in problem
