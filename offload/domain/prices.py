"""What EC2 charges: the price of an instance, and what comes on top of it."""

from dataclasses import dataclass

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
BY_HAND = "To name the price yourself: --price USD_PER_HOUR"
"""The hint of every error about a price."""


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
