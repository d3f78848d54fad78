"""moto's Auto Scaling as AWS has it, and CloudWatch's alarms that drive it.

A group's machines have what its launch template says, one that ends is replaced, and an alarm on
metric math carries out a step policy: every few seconds instead of each minute, with the policies'
warm-up time in the same proportion.
"""

import itertools
import math
import operator
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from tests.testbed.machine import log

ALARM_S = float(os.environ.get("FAKECLOUD_ALARM_S", "5"))
"""How often alarms are looked at; AWS does it every minute."""
_HEALTH_S = 1.0
_AWS_S = 60.0
_ONE_AT_A_TIME = threading.RLock()
_subnets = itertools.count()

_COMPARED = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_FUNCTIONS = {
    "__builtins__": {},
    "ABS": abs,
    "CEIL": math.ceil,
    "FILL": lambda value, instead: instead if value is None else value,
    "FLOOR": math.floor,
    "IF": lambda condition, yes, no=0: yes if condition else no,
    "MAX": lambda values: max(values) if isinstance(values, list) else values,
    "MIN": lambda values: min(values) if isinstance(values, list) else values,
    "SUM": lambda values: sum(values) if isinstance(values, list) else values,
}


def mend() -> None:
    """Put what is here under moto's backend."""
    from moto.autoscaling.models import AutoScalingBackend, FakeAutoScalingGroup
    from moto.autoscaling.responses import AutoScalingResponse

    FakeAutoScalingGroup.replace_autoscaling_group_instances = _launch
    AutoScalingBackend.terminate_instance = _if_known(AutoScalingBackend.terminate_instance)
    AutoScalingBackend.update_auto_scaling_group = _as_it_was(
        AutoScalingBackend.update_auto_scaling_group
    )
    AutoScalingResponse.delete_auto_scaling_group = _delete
    AutoScalingResponse.put_scaling_policy = _named(AutoScalingResponse.put_scaling_policy)
    for name in (
        "create_auto_scaling_group", "delete_auto_scaling_group", "notify_terminate_instances",
        "set_desired_capacity", "terminate_instance", "update_auto_scaling_group",
    ):  # fmt: skip
        setattr(AutoScalingBackend, name, _alone(getattr(AutoScalingBackend, name)))


def run(changed: Callable[[str], object], stopping: threading.Event) -> None:
    """Replace what has ended and look at the alarms; `changed` is told each region with groups."""
    from moto.autoscaling.models import autoscaling_backends
    from moto.core import DEFAULT_ACCOUNT_ID

    alarms_at = time.monotonic()
    while not stopping.wait(_HEALTH_S):
        due = time.monotonic() >= alarms_at
        alarms_at += ALARM_S if due else 0
        for region, backend in list(autoscaling_backends[DEFAULT_ACCOUNT_ID].items()):
            try:
                if _tend(backend) | (due and _watch(backend, region)):
                    changed(region)
            except Exception as error:  # noqa: BLE001 # one bad group must not stop the others
                log(f"failed: {region}: {type(error).__name__}: {error}")


def _alone(original: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(original)
    def wrapped(*given: Any, **named: Any) -> Any:
        with _ONE_AT_A_TIME:
            return original(*given, **named)

    return wrapped


def _launch(group: Any, count: int, tags: Mapping[str, str]) -> None:
    """Launch machines by the group's template, in turn in each of its subnets; moto knows neither
    their profiles nor other subnets than the first.
    """
    from moto.autoscaling.models import ASG_NAME_TAG, InstanceState

    template = group.ec2_launch_template
    version = template.get_version(group.launch_template_version)
    data, launched = version.data, {"LaunchTemplateId": template.id, "Version": version.number}
    policy = group.mixed_instances_policy or {}
    overrides = policy.get("LaunchTemplate", {}).get("Overrides") or [{}]
    kind = overrides[0].get("InstanceType") or data["InstanceType"]
    subnets = (group.vpc_zone_identifier or "").split(",")
    cards = data.get("NetworkInterfaces") or []
    for _ in range(count):
        subnet = subnets[next(_subnets) % len(subnets)] or None
        nics = [{**card, "SubnetId": card.get("SubnetId") or subnet} for card in cards]
        [machine] = group.ec2_backend.run_instances(
            data["ImageId"],
            1,
            data.get("UserData"),
            [],
            instance_type=kind,
            is_instance_type_default=False,
            region_name=group.region,
            launch_template=launched,
            subnet_id=None if nics else subnet,
            associate_public_ip=None,
            nics=nics,
            placement=group.availability_zones[0],
            metadata_options=data.get("MetadataOptions", {}),
            instance_initiated_shutdown_behavior=data.get("InstanceInitiatedShutdownBehavior"),
            tags={"instance": {**group.instance_tags, **tags, ASG_NAME_TAG: group.name}},
        ).instances
        profile = data.get("IamInstanceProfile") or {}
        if profile:
            group.ec2_backend.associate_iam_instance_profile(
                instance_id=machine.id,
                iam_instance_profile_name=profile.get("Name"),
                iam_instance_profile_arn=profile.get("Arn"),
            )
        machine.lifecycle = "spot" if _is_spot(group, data) else None
        machine.autoscaling_group = group
        protected = group.new_instances_protected_from_scale_in
        group.instance_states.append(InstanceState(machine, protected_from_scale_in=protected))


def _is_spot(group: Any, data: Mapping[str, Any]) -> bool:
    """Whether the group's next machine is one: after the base, that many in a hundred are not."""
    policy = group.mixed_instances_policy
    if not policy:
        return bool(data.get("InstanceMarketOptions", {}).get("MarketType") == "spot")
    shares = policy.get("InstancesDistribution", {})
    base = int(shares.get("OnDemandBaseCapacity", 0))
    percent = int(shares.get("OnDemandPercentageAboveBaseCapacity", 100))
    kept: int = sum(state.instance.lifecycle != "spot" for state in group.instance_states)
    above = max(len(group.instance_states) + 1 - base, 0)
    return kept >= base + math.ceil(above * percent / 100)


def _if_known(original: Callable[..., Any]) -> Callable[..., Any]:
    def terminate(backend: Any, instance_id: str, should_decrement: bool) -> Any:
        from moto.autoscaling.exceptions import ValidationError

        groups = backend.autoscaling_groups.values()
        mine = [g for g in groups for s in g.instance_states if s.instance.id == instance_id]
        if not mine:
            raise ValidationError(f"Instance Id not found - {instance_id}")
        if should_decrement and mine[0].desired_capacity <= (mine[0].min_size or 0):
            raise ValidationError("Currently, desiredSize equals minSize. Terminating instance")
        return original(backend, instance_id, should_decrement)

    return terminate


def _as_it_was(original: Callable[..., Any]) -> Callable[..., Any]:
    """An update that names no policy leaves it; moto drops it."""

    def update(backend: Any, name: str, **changes: Any) -> Any:
        group = backend.autoscaling_groups.get(name)
        if group and not changes.get("launch_template") and not changes.get("launch_config_name"):
            changes["mixed_instances_policy"] = (
                changes.get("mixed_instances_policy") or group.mixed_instances_policy
            )
        return original(backend, name, **changes)

    return update


def _delete(response: Any) -> Any:
    """Protected machines end, too, if that is asked for; else a group that has machines stays."""
    from moto.autoscaling.exceptions import AutoscalingClientError
    from moto.core.responses import EmptyResult

    name = response._get_param("AutoScalingGroupName")
    backend = response.autoscaling_backend
    group = backend.autoscaling_groups.get(name)
    if group and group.instance_states:
        if not response._get_bool_param("ForceDelete", False):
            message = "You cannot delete an AutoScalingGroup while there are instances in it."
            raise AutoscalingClientError("ResourceInUse", message)
        for state in group.instance_states:
            state.protected_from_scale_in = False
    backend.delete_auto_scaling_group(name)
    for policy in backend.describe_policies(name):
        backend.delete_policy(policy.name)
    return EmptyResult()


def _named(original: Callable[..., Any]) -> Callable[..., Any]:
    """moto misspells the one thing that it answers."""

    def put(response: Any) -> Any:
        answer = original(response)
        answer.result["PolicyARN"] = answer.result["PolicyArn"]
        return answer

    return put


def _tend(backend: Any) -> bool:
    """Replace what has ended or stopped; whether there was something."""
    ended = [
        state.instance
        for group in list(backend.autoscaling_groups.values())
        for state in list(group.instance_states)
        if state.instance.state not in {"pending", "running"}
    ]
    for machine in ended:
        log(f"{machine.id} of {machine.autoscaling_group.name} is {machine.state}: replaced")
        backend.ec2_backend.terminate_instances([machine.id])
    if ended:
        backend.notify_terminate_instances([machine.id for machine in ended])
    return bool(ended)


def _watch(backend: Any, region: str) -> bool:
    """Look at the region's alarms, and do what they ask for; whether they did."""
    from moto.cloudwatch.models import cloudwatch_backends

    done = False
    for alarm in list(cloudwatch_backends[backend.account_id][region].alarms.values()):
        value = _value(alarm, backend)
        limit, compared = float(alarm.threshold), _COMPARED[alarm.comparison_operator]
        state = "INSUFFICIENT_DATA"
        if value is not None:
            state = "ALARM" if compared(value, limit) else "OK"
        if state != alarm.state_value:
            alarm.update_state(f"The value is {value}", "{}", state)
        if value is not None and state == "ALARM" and alarm.actions_enabled:
            for arn in alarm.alarm_actions:
                policy = backend.policies.get(arn.rpartition(":policyName/")[2])
                done |= bool(policy) and _step(backend, policy, value - limit)
    return done


def _value(alarm: Any, backend: Any) -> float | None:
    """Of the metric, or of the query that is the result."""
    if not alarm.metric_data_queries:
        return _metric(backend, alarm.namespace, alarm.metric_name, alarm.dimensions)
    names: dict[str, Any] = {}
    queries = sorted(alarm.metric_data_queries, key=lambda query: query.metric_stat is None)
    for query in queries:
        if query.metric_stat:
            metric = query.metric_stat.metric
            names[query.id] = _metric(
                backend, metric.namespace, metric.metric_name, metric.dimensions
            )
        else:
            names[query.id] = _evaluated(query.expression, names)
    returned = [query.id for query in queries if str(query.return_data).lower() != "false"]
    value: float | None = names[returned[-1]]
    return value


def _evaluated(expression: str, names: Mapping[str, Any]) -> float | None:
    """CloudWatch's metric math is Python's, for single values; what needs missing data is None."""
    words = re.sub(r"\b(AND|OR)\b", lambda word: word[0].lower(), expression)
    try:
        return float(eval(words, dict(_FUNCTIONS), dict(names)))  # a test's own words
    except TypeError:
        return None


def _metric(backend: Any, namespace: str, name: str, dimensions: Any) -> float | None:
    """What it is now; None where AWS has no data."""
    from moto.sqs.models import sqs_backends

    of = {dimension.name: dimension.value for dimension in dimensions}
    if namespace == "AWS/SQS":
        queue = sqs_backends[backend.account_id][backend.region_name].queues.get(of["QueueName"])
        counts = {
            "ApproximateNumberOfMessagesVisible": "approximate_number_of_messages",
            "ApproximateNumberOfMessagesNotVisible": "approximate_number_of_messages_not_visible",
        }
        return float(getattr(queue, counts[name])) if queue else None
    if namespace == "AWS/AutoScaling":
        group = backend.autoscaling_groups.get(of["AutoScalingGroupName"])
        if not group or name not in group.metrics:
            return None
        is_count = name in {"GroupInServiceInstances", "GroupTotalInstances"}
        return float(len(group.instance_states) if is_count else group.desired_capacity)
    return None


def _step(backend: Any, policy: Any, above: float) -> bool:
    """Carry out a step policy for a metric that is so far above the threshold; machines that warm
    up are not counted, but they count as added. Whether the group grew.
    """
    from moto.core.utils import utcnow

    group = backend.autoscaling_groups.get(policy.auto_scaling_group_name)
    for step in policy.step_adjustments if group else ():
        low, high = step.get("MetricIntervalLowerBound"), step.get("MetricIntervalUpperBound")
        if above >= float(low if low is not None else -math.inf) and (
            above < float(high if high is not None else math.inf)
        ):
            warm_up_s = float(policy.estimated_instance_warmup or 300) * ALARM_S / _AWS_S
            ages = [utcnow() - state.instance.launch_time for state in group.instance_states]
            warm = sum(age.total_seconds() >= warm_up_s for age in ages)
            by = int(step["ScalingAdjustment"])
            wanted = by if policy.adjustment_type == "ExactCapacity" else warm + by
            wanted = min(max(wanted, group.desired_capacity), group.max_size)
            if wanted > group.desired_capacity:
                log(f"{group.name}: {policy.name} from {group.desired_capacity} to {wanted}")
                backend.set_desired_capacity(group.name, wanted)
                return True
    return False
