"""What EC2 charges: the price of an instance, and what comes on top of it."""

from dataclasses import dataclass

HOME = "us-east-1"
"""The region of the prices that are shipped."""
IPV4_USD_PER_H = 0.005
"""A public IPv4 address, in every region (https://aws.amazon.com/vpc/pricing/)."""
DISK_USD_PER_GB_MONTH = 0.08
"""A gp3 volume in us-east-1, while it exists; elsewhere up to twice as much (https://aws.amazon.com/ebs/pricing/)."""
EGRESS_USD_PER_GB = 0.09
"""What leaves us-east-1 for the internet (https://aws.amazon.com/ec2/pricing/on-demand/)."""
EGRESS_FREE_BYTES = 100 * 10**9
"""What may leave each month at no charge (https://aws.amazon.com/ec2/pricing/on-demand/)."""
MINIMUM_BILLED_S = 60.0
"""Linux is billed by the second, and for so many at each start
(https://aws.amazon.com/ec2/pricing/on-demand/).
"""
CALL_USD = 0.2e-6
"""One call of a function, in us-east-1 (https://aws.amazon.com/lambda/pricing/)."""
CALL_USD_PER_GB_S = {"x86_64": 1.66667e-5, "arm64": 1.33334e-5}
"""A second of a function by its memory and processor, in us-east-1; that of its environments'
starts too, since August 2025 (https://aws.amazon.com/lambda/pricing/).
"""
CALLS_AS_OF = "2025-10-28"
"""When the two were so."""
CORE_MB = 1769
"""The memory for which AWS Lambda gives as much time as one core has
(https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html).
"""
MOST_CALL_BYTES = 4_700_000
"""A larger image waits for a function in S3, about: a third more of it would make 6 MiB."""
STAGED_USD = 5.4e-6
"""That, in us-east-1: a PUT and a GET (https://aws.amazon.com/s3/pricing/)."""
BY_HAND = "To name the price yourself: --price USD_PER_HOUR"
"""The hint of every error about a price."""


@dataclass(frozen=True, slots=True)
class CallPrice:
    """What calls of a function cost: each, and each second that it works or starts.

    `how` names the function and whose price that is, `as_of` the day (ISO 8601) of it.
    """

    usd_per_call: float
    usd_per_s: float
    how: str
    as_of: str

    def usd(self, calls: float, busy_s: float) -> float:
        """So many calls that keep environments busy for so long in all."""
        return calls * self.usd_per_call + busy_s * self.usd_per_s


@dataclass(frozen=True, slots=True)
class Price:
    """What an hour of an instance costs on demand: Linux, on shared hardware.

    `arch` is `x86_64` or `arm64`. `disk_usd_per_gb_month` is that of gp3 in the region. `as_of`
    is the day (ISO 8601) of the list that names the price, `source` whose list that is.
    """

    instance_type: str
    region: str
    usd_per_h: float
    vcpus: int
    memory_gib: float
    arch: str
    as_of: str
    source: str
    disk_usd_per_gb_month: float = DISK_USD_PER_GB_MONTH
