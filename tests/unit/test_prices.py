"""What is said of prices: by the shipped table, by AWS, and by the cache between them."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from offload.domain.errors import PlaceUnavailable, UsageError
from offload.domain.prices import CallPrice, Price
from offload.drivers import settings
from offload.drivers.aws import account, prices
from offload.usecases.advise.prices import find, of_calls
from tests.contexts import context

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
NAMED = Price("c7i.large", "eu-west-1", 0.09, 2, 4.0, "x86_64", "2026-11-20", "AWS price list")
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}


class TestTable:
    def test_every_row_is_whole(self) -> None:
        rows = list(prices.table())
        assert len(rows) > 400
        assert len({(row.instance_type, row.region) for row in rows}) == len(rows)
        for row in rows:
            assert row.usd_per_h > 0
            assert row.vcpus > 0
            assert row.memory_gib > 0
            assert row.arch in {"x86_64", "arm64"}
            assert date(2022, 1, 1) <= date.fromisoformat(row.as_of) <= date.today()
            assert row.source.startswith("table shipped with offload")

    def test_within_a_family_twice_the_machine_costs_twice_as_much(self) -> None:
        cheapest: dict[tuple[str, str], float] = {}
        dearest: dict[tuple[str, str], float] = {}
        for row in prices.table():
            key = (row.instance_type.partition(".")[0], row.region)
            usd_per_gib = row.usd_per_h / row.memory_gib
            cheapest[key] = min(usd_per_gib, cheapest.get(key, usd_per_gib))
            dearest[key] = max(usd_per_gib, dearest.get(key, usd_per_gib))
        assert {k: dearest[k] for k in cheapest} == pytest.approx(cheapest, rel=4e-3)

    def test_arm_is_where_the_name_says_graviton(self) -> None:
        for row in prices.table():
            family = row.instance_type.partition(".")[0]
            assert (row.arch == "arm64") == (family[2:] == "g")

    def test_a_price_is_found(self) -> None:
        found = prices.shipped("c7i.large", "us-east-1")
        assert (found.usd_per_h, found.vcpus, found.memory_gib) == (0.08925, 2, 4.0)
        assert (found.arch, found.as_of) == ("x86_64", "2026-01-19")

    def test_an_unknown_region_is_told_those_that_are_known(self) -> None:
        with pytest.raises(UsageError, match=r"No price of t3\.large in mars-1 .*us-east-1") as no:
            prices.shipped("t3.large", "mars-1")
        assert "--price USD_PER_HOUR" in no.value.hint

    def test_an_unknown_size_is_told_those_of_its_family(self) -> None:
        with pytest.raises(UsageError, match=r"'t3\.huge' is known, only t3\.medium, t3\.large"):
            prices.shipped("t3.huge", "us-east-1")

    @pytest.mark.parametrize("name", ["z9.large", "", "t3", "c"])
    def test_an_unknown_type_is_told_the_families(self, name: str) -> None:
        with pytest.raises(UsageError, match="known, only ") as no:
            prices.shipped(name, "us-east-1")
        assert "\n" not in str(no.value)

    def test_it_needs_neither_boto3_nor_numpy(self) -> None:
        code = (
            "import sys; from offload.drivers.aws import account, prices;"
            "prices.shipped('t3.large', 'us-east-1'); account.may_have_credentials({});"
            "assert not {'boto3', 'botocore', 'numpy'} & sys.modules.keys()"
        )
        subprocess.run([sys.executable, "-c", code], check=True)


def product(**attributes: str) -> dict[str, Any]:
    """One product as AWS' price list has it, as far as it concerns us."""
    usual = {
        "instanceType": "m7g.large",
        "regionCode": "eu-west-1",
        "vcpu": "2",
        "memory": "8 GiB",
        "physicalProcessor": "AWS Graviton3 Processor",
        "processorArchitecture": "64-bit",
        "operatingSystem": "Linux",
        "tenancy": "Shared",
    }
    dimension = {"unit": "Hrs", "beginRange": "0", "pricePerUnit": {"USD": "0.0910000000"}}
    term = {"priceDimensions": {"SKU.TERM.RATE": dimension}, "offerTermCode": "TERM"}
    return {
        "product": {"productFamily": "Compute Instance", "attributes": usual | attributes},
        "serviceCode": "AmazonEC2",
        "terms": {"OnDemand": {"SKU.TERM": term}, "Reserved": {}},
        "version": "20261119000000",
        "publicationDate": "2026-11-19T20:14:08Z",
    }


class TestAws:
    @pytest.fixture
    def stubbed(self) -> Iterator[Any]:
        """boto3's own client, answered by botocore's stubber."""
        import boto3
        from botocore.stub import Stubber

        client = boto3.client(
            "pricing", "us-east-1", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key="secret"
        )
        with Stubber(client) as stubber:
            yield stubber
        client.close()

    def asked(self, stubbed: Any) -> Price:
        return prices.listed("m7g.large", "eu-west-1", client=stubbed.client)

    def test_the_price_list_is_asked_for_linux_on_shared_hardware(self, stubbed: Any) -> None:
        wanted = {
            "instanceType": "m7g.large",
            "regionCode": "eu-west-1",
            "operatingSystem": "Linux",
            "tenancy": "Shared",
            "preInstalledSw": "NA",
            "capacitystatus": "Used",
        }
        filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in wanted.items()]
        answer = {"FormatVersion": "aws_v1", "PriceList": [json.dumps(product())]}
        question = {"ServiceCode": "AmazonEC2", "Filters": filters}
        stubbed.add_response("get_products", answer, question)
        assert self.asked(stubbed) == Price(
            "m7g.large", "eu-west-1", 0.091, 2, 8.0, "arm64", "2026-11-19", "AWS price list"
        )

    def test_the_disk_costs_what_it_costs_in_the_region(self, stubbed: Any) -> None:
        disk = json.loads(json.dumps(product()).replace("0.0910000000", "0.1056000000"))
        asked = {"volumeApiName": "gp3", "regionCode": "eu-west-1", "productFamily": "Storage"}
        filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in asked.items()]
        stubbed.add_response("get_products", {"PriceList": [json.dumps(product())]})
        question = {"ServiceCode": "AmazonEC2", "Filters": filters}
        stubbed.add_response("get_products", {"PriceList": [json.dumps(disk)]}, question)
        assert self.asked(stubbed).disk_usd_per_gb_month == 0.1056
        stubbed.add_response("get_products", {"PriceList": [json.dumps(product())]})
        stubbed.add_response("get_products", {"PriceList": []})
        assert self.asked(stubbed).disk_usd_per_gb_month == 0.08

    def test_large_memory_and_other_processors_are_read(self, stubbed: Any) -> None:
        big = product(memory="1,952 GiB", physicalProcessor="Intel Xeon Platinum 8488C", vcpu="128")
        stubbed.add_response("get_products", {"PriceList": [json.dumps(big)]})
        found = self.asked(stubbed)
        assert (found.memory_gib, found.vcpus, found.arch) == (1952.0, 128, "x86_64")

    def test_calls_of_functions_are_asked_for_by_processor(self, stubbed: Any) -> None:
        listed = [
            json.dumps(product()).replace("0.0910000000", usd) for usd in ("0.0000002", "0.0000134")
        ]
        for what, answer in zip(("Requests", "Duration"), listed, strict=True):
            wanted = {"group": f"AWS-Lambda-{what}-ARM", "regionCode": "eu-west-1"}
            filters = [{"Type": "TERM_MATCH", "Field": k, "Value": v} for k, v in wanted.items()]
            question = {"ServiceCode": "AWSLambda", "Filters": filters}
            stubbed.add_response("get_products", {"PriceList": [answer]}, question)
        found = prices.listed_calls("eu-west-1", "arm64", client=stubbed.client)
        assert found == CallPrice(2e-7, 1.34e-5, "AWS price list", "2026-11-19")

    def test_a_region_without_functions_has_no_price_of_calls(self, stubbed: Any) -> None:
        for _ in range(2):
            stubbed.add_response("get_products", {"PriceList": []})
        with pytest.raises(PlaceUnavailable, match="says nothing of functions in mars-1"):
            prices.listed_calls("mars-1", "x86_64", client=stubbed.client)

    def test_what_is_not_listed_has_no_price(self, stubbed: Any) -> None:
        stubbed.add_response("get_products", {"PriceList": []})
        with pytest.raises(PlaceUnavailable, match=r"its list has no m7g\.large in eu-west-1\."):
            self.asked(stubbed)

    @pytest.mark.parametrize(
        "other",
        [
            {},
            [],
            product(memory="NA"),
            product() | {"terms": {"OnDemand": {}}},
            product() | {"publicationDate": "yesterday"},
            json.loads(json.dumps(product()).replace("0.0910000000", "0.0000000000")),
            json.loads(json.dumps(product()).replace("0.0910000000", "NaN")),
        ],
    )
    def test_a_list_of_another_form_is_explained(self, stubbed: Any, other: Any) -> None:
        stubbed.add_response("get_products", {"PriceList": [json.dumps(other)]})
        with pytest.raises(PlaceUnavailable, match="form of its list has changed"):
            self.asked(stubbed)

    def test_who_may_not_ask_is_told_what_aws_said(self, stubbed: Any) -> None:
        said = "User: bob is not authorized to perform: pricing:GetProducts"
        stubbed.add_client_error("get_products", "AccessDeniedException", said)
        with pytest.raises(PlaceUnavailable, match=f"AWS gives no price: {said}\\.") as no:
            self.asked(stubbed)
        assert "--price" in no.value.hint

    def test_without_credentials_nobody_is_asked(self) -> None:
        with pytest.raises(PlaceUnavailable, match="Unable to locate credentials"):
            prices.listed("m7g.large", "eu-west-1")

    def test_an_endpoint_that_is_not_there_is_explained(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        for endpoint in ("http://127.0.0.1:9", "nonsense"):
            monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", endpoint)
            with pytest.raises(PlaceUnavailable, match=f"AWS gives no price: .*{endpoint}"):
                prices.listed("m7g.large", "eu-west-1")

    def test_prices_are_asked_for_as_the_profile_that_is_named(self) -> None:
        with pytest.raises(PlaceUnavailable, match="no AWS profile 'wrk'"):
            prices.listed("m7g.large", "eu-west-1", "wrk")

    def test_somebody_elses_page_is_explained(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        with ThreadingHTTPServer(("127.0.0.1", 0), Portal) as server:
            Thread(target=server.serve_forever).start()
            endpoint = f"http://127.0.0.1:{server.server_port}"
            monkeypatch.setenv("AWS_ENDPOINT_URL_PRICING", endpoint)
            with pytest.raises(PlaceUnavailable, match="AWS gives no price"):
                prices.listed("m7g.large", "eu-west-1")
            server.shutdown()

    def test_credentials_show_in_variables_and_files(self, home: Path) -> None:
        assert not account.may_have_credentials({"AWS_REGION": "eu-west-1", "AWS_PROFILE": ""})
        assert account.may_have_credentials(KEYS)
        assert account.may_have_credentials({"AWS_PROFILE": "work"})
        elsewhere = home / "keys"
        assert not account.may_have_credentials({"AWS_SHARED_CREDENTIALS_FILE": str(elsewhere)})
        elsewhere.write_text("[default]\n")
        assert account.may_have_credentials({"AWS_SHARED_CREDENTIALS_FILE": str(elsewhere)})
        (home / ".aws").mkdir()
        (home / ".aws" / "config").write_text("[default]\n")
        assert account.may_have_credentials({})


class Portal(BaseHTTPRequestHandler):
    """A network's page that answers whatever is asked."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>Please accept our terms.</html>")

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


class Aws:
    """Answers one price, or none; counts the questions."""

    def __init__(self, answer: Price | None = NAMED) -> None:
        self.answer = answer
        self.questions: list[tuple[str, str]] = []

    def __call__(self, instance_type: str, region: str, profile: str | None) -> Price:
        assert profile == "work", "not with the credentials of another account"
        self.questions.append((instance_type, region))
        if self.answer is None:
            raise PlaceUnavailable("AWS gives no price: it is out for lunch.")
        return replace(self.answer, instance_type=instance_type, region=region)


Find = Callable[..., Price]


class TestFinding:
    @pytest.fixture
    def cache(self, tmp_path: Path) -> Path:
        return tmp_path / "cache" / "prices.json"

    @pytest.fixture
    def found(self, cache: Path) -> Find:
        """`find` with credentials, of one type in one region, unless it is told otherwise."""

        def find_(instance_type: str = "c7i.large", **changed: Any) -> Price:
            usual: dict[str, Any] = {"environment": KEYS, "now": NOW}
            configured = settings.load({"OFFLOAD_CACHE": str(cache.parent)})
            made = context(configured, changed.pop("warn", pytest.fail))
            return find(instance_type, "eu-west-1", made, "work", **usual | changed)

        return find_

    def test_what_aws_named_holds_for_a_day(self, found: Find) -> None:
        aws_ = Aws()
        assert found(ask=aws_) == NAMED
        assert found(ask=aws_, now=NOW + timedelta(hours=23, minutes=59)) == NAMED
        assert found(ask=aws_, offline=True, environment={}) == NAMED
        assert len(aws_.questions) == 1
        found(ask=aws_, now=NOW + timedelta(hours=24))
        assert len(aws_.questions) == 2

    def test_a_clock_that_was_wrong_costs_a_question(self, found: Find) -> None:
        aws_ = Aws()
        found(ask=aws_, now=NOW + timedelta(days=9))
        found(ask=aws_)
        assert len(aws_.questions) == 2

    def test_each_type_is_kept_beside_the_others(self, found: Find) -> None:
        aws_ = Aws()
        for _ in range(2):
            assert found("c7i.large", ask=aws_).instance_type == "c7i.large"
            assert found("t3.large", ask=aws_).instance_type == "t3.large"
        assert len(aws_.questions) == 2

    @pytest.mark.parametrize("changed", [{"offline": True}, {"environment": {}}])
    def test_aws_is_asked_only_online_and_with_credentials(
        self, found: Find, changed: dict[str, Any]
    ) -> None:
        aws_ = Aws()
        assert found(ask=aws_, **changed) == prices.shipped("c7i.large", "eu-west-1")
        assert not aws_.questions

    def test_the_table_answers_for_an_aws_that_does_not(self, found: Find, cache: Path) -> None:
        said: list[str] = []
        assert found(ask=Aws(None), warn=said.append).source.startswith(
            "table shipped with offload"
        )
        assert said == ["AWS gives no price: it is out for lunch. The shipped table is used."]
        assert not cache.exists()

    def test_what_nobody_knows_is_an_error(self, found: Find) -> None:
        with pytest.raises(UsageError, match=r"No price of an instance type 'c7i\.huge'"):
            found("c7i.huge", ask=Aws(None), warn=str)

    @pytest.mark.parametrize(
        "damage",
        [
            "", "{", "[]", "null", "\udcff", '{"c7i.large eu-west-1": 1}',
            '{"c7i.large eu-west-1": {"asked_at": "2026-11-21T12:00:00+00:00", "price": {}}}',
            '{"c7i.large eu-west-1": {"asked_at": "2026-11-21T12:00:00", "price": {}}}',
            '{"c7i.large eu-west-1": {"asked_at": 5, "price": null}}',
        ],
    )  # fmt: skip
    def test_a_damaged_cache_is_none(self, found: Find, cache: Path, damage: str) -> None:
        cache.parent.mkdir()
        cache.write_bytes(damage.encode(errors="surrogateescape"))
        aws_ = Aws()
        assert found(ask=aws_) == found(ask=aws_) == NAMED
        assert len(aws_.questions) == 1

    def test_a_cache_that_cannot_be_written_costs_nothing_else(
        self, found: Find, tmp_path: Path
    ) -> None:
        (tmp_path / "cache").write_text("a file where the folder should be")
        assert found(ask=Aws()) == NAMED


FUNCTION = {"memory_mb": 2048, "cpu": "arm64", "region": "eu-west-1"}


def test_calls_cost_what_the_table_says_where_nobody_is_asked() -> None:
    found = of_calls(FUNCTION, context(), offline=True)
    assert found is not None
    assert found.usd_per_s == pytest.approx(2 * 1.33334e-5)
    assert "of us-east-1, not of eu-west-1" in found.how
    assert found.as_of == "2025-10-28"
    assert of_calls({"name": "a server"}, context()) is None


def test_what_aws_says_of_calls_is_kept_for_a_day_beside_prices_of_instances() -> None:
    asked: list[tuple[str, str]] = []

    def ask(region: str, arch: str) -> CallPrice:
        asked.append((region, arch))
        return CallPrice(3e-7, 2e-5, "AWS price list", "2026-11-20")

    for now in (NOW, NOW + timedelta(hours=23)):
        found = of_calls(FUNCTION, context(), environment=KEYS, now=now, ask=ask)
        assert found is not None
        assert found.usd_per_call == 3e-7
        assert found.usd_per_s == pytest.approx(4e-5)
    assert asked == [("eu-west-1", "arm64")]
