"""What starts by itself, and what is watched: the template's queues, rules, alarms, dashboard and budget."""

import json
import re

from conftest import WORKSPACE


def test_nothing_starts_by_itself_unless_it_is_wanted(template, resources):
    parameters, rules = template["Parameters"], resources("AWS::Events::Rule")
    assert (parameters["StartOnUploads"]["Default"], parameters["ScheduleState"]["Default"]) == ("false", "DISABLED")
    assert template["Conditions"]["StartsOnUploads"] == {"Fn::Equals": [{"Ref": "StartOnUploads"}, "true"]}
    on = {"Fn::If": ["StartsOnUploads", "ENABLED", "DISABLED"]}
    assert rules["InputChanged"]["State"] == rules["RunWasBusy"]["State"] == on
    assert rules["ScheduledRun"]["State"] == {"Ref": "ScheduleState"}
    [batches] = resources("AWS::Lambda::EventSourceMapping").values()
    assert batches["Enabled"] == {"Fn::If": ["StartsOnUploads", True, False]}


def test_the_queue_hides_a_batch_for_six_time_limits_and_the_window(resources):
    [batches], trigger = (
        resources("AWS::Lambda::EventSourceMapping").values(),
        resources("AWS::Serverless::Function")["Trigger"],
    )
    queue = resources("AWS::SQS::Queue")["Uploads"]
    assert (batches["MaximumBatchingWindowInSeconds"], batches["BatchSize"]) == (300, 10_000)
    assert queue["VisibilityTimeout"] >= 6 * trigger["Timeout"] + batches["MaximumBatchingWindowInSeconds"]
    # One that is postponed for days is a new message each time.
    source = (WORKSPACE / "shared/lambda/src/trigger/follow_up.rs").read_text()
    assert re.search(r"const DELAY: Duration = Duration::from_secs\((\d+)\)", source)[1] == "900"
    # The trigger's own tests live through histories with a queue that hides batches for as long.
    simulated = (WORKSPACE / "shared/lambda/src/trigger/tests.rs").read_text()
    assert int(re.search(r"const HIDDEN: i64 = (\d+);", simulated)[1]) == queue["VisibilityTimeout"]


def test_queues_are_encrypted_forget_in_time_and_lose_nothing_silently(resources):
    queues = resources("AWS::SQS::Queue")
    assert all(
        queue["KmsMasterKeyId"] == {"Ref": "Key"} and queue["MessageRetentionPeriod"] <= 14 * 86_400
        for queue in queues.values()
    )
    lost = {"Fn::GetAtt": ["LostUploads", "Arn"]}
    assert queues["Uploads"]["RedrivePolicy"]["deadLetterTargetArn"] == lost
    rules = [
        rule
        for rule in resources("AWS::Events::Rule").values()
        if rule["Targets"][0]["Arn"] == {"Fn::GetAtt": ["Uploads", "Arn"]}
    ]
    assert len(rules) == 2 and all(rule["Targets"][0]["DeadLetterConfig"] == {"Arn": lost} for rule in rules)
    assert "RedrivePolicy" not in queues["LostUploads"]


def test_what_rules_cannot_hand_on_is_kept(resources):
    rules = resources("AWS::Events::Rule")
    kept = {"Arn": {"Fn::GetAtt": ["Undelivered", "Arn"]}}
    told = ["ScheduledRun", "RunSucceeded", "RunFailed", "LongRunWatch"]
    assert all(rules[rule]["Targets"][0]["DeadLetterConfig"] == kept for rule in told)
    assert all("DeadLetterConfig" in target for rule in rules.values() for target in rule["Targets"])
    statement, _ = resources("AWS::SQS::QueuePolicy")["UndeliveredPolicy"]["PolicyDocument"]["Statement"]
    assert statement["Condition"] == {"ArnEquals": {"aws:SourceArn": [{"Fn::GetAtt": [rule, "Arn"]} for rule in told]}}


def test_mails_are_text_whatever_an_execution_came_to(resources):
    """EventBridge escapes nothing, so only values that can hold neither a quote nor an image's name go into a mail."""
    plain = {"$.detail.name", "$.detail.status", "$.detail.error", "$.detail.executionArn"}
    transformers = [
        target["InputTransformer"]
        for rule in resources("AWS::Events::Rule").values()
        for target in rule["Targets"]
        if "InputTransformer" in target
    ]
    assert len(transformers) == 2
    assert all(set(each["InputPathsMap"].values()) <= plain for each in transformers)


def test_uploads_are_those_below_the_input(resources):
    pattern = resources("AWS::Events::Rule")["InputChanged"]["EventPattern"]
    assert pattern["detail-type"] == ["Object Created", "Object Deleted"]
    assert pattern["detail"]["object"]["key"] == [
        {"Fn::If": ["HasInputPrefix", {"prefix": {"Ref": "InputPrefix"}}, {"exists": True}]}
    ]
    # A lifecycle's permanent deletion of a version is none of these.
    assert pattern["detail"]["$or"] == [
        {"deletion-type": [{"exists": False}, "Delete Marker Created"]},
        {"reason": ["DeleteObject"]},
        {"object": {"version-id": [{"exists": False}, ""]}},
    ]


def test_names_by_which_the_template_and_the_trigger_know_each_other(template, resources):
    source = (WORKSPACE / "shared/run/src/executions.rs").read_text()
    [prefix] = resources("AWS::Events::Rule")["RunWasBusy"]["EventPattern"]["detail"]["name"]
    assert f'const OF_UPLOADS: &str = "{prefix["prefix"]}";' in source
    # Whether the event has the error is not documented for all; without it the trigger asks the execution.
    expected = ["Pomona.Busy", {"exists": False}]
    assert resources("AWS::Events::Rule")["RunWasBusy"]["EventPattern"]["detail"]["error"] == expected
    variables = resources("AWS::Serverless::Function")["Trigger"]["Environment"]["Variables"]
    settings = (WORKSPACE / "shared/lambda/src/settings.rs").read_text()
    assert all(f'"{name}"' in settings for name in variables)
    assert template["Parameters"]["MinutesBetweenRuns"]["MinValue"] >= 15


def test_a_schedule_starts_the_state_machine_itself(resources):
    [target] = resources("AWS::Events::Rule")["ScheduledRun"]["Targets"]
    assert (target["Arn"], target["RoleArn"]) == ({"Ref": "Pipeline"}, {"Fn::GetAtt": ["ScheduleRole", "Arn"]})
    assert target["Input"] == {"Fn::Sub": '{"options": ${RunOptions}}'}


def test_an_existing_buckets_events_are_switched_on_only_where_uploads_start_runs(template):
    [switch] = [resource for resource in template["Resources"].values() if resource["Type"].startswith("Custom::")]
    assert switch["Condition"] == "SwitchesInputEvents" and int(switch["Properties"]["ServiceTimeout"]) <= 300
    condition = template["Conditions"]["SwitchesInputEvents"]["Fn::And"]
    assert condition == [{"Condition": "StartsOnUploads"}, {"Fn::Not": [{"Condition": "MakeInputBucket"}]}]
    made = template["Resources"]["InputBucket"]["Properties"]["NotificationConfiguration"]
    assert made == {"EventBridgeConfiguration": {"EventBridgeEnabled": {"Fn::If": ["StartsOnUploads", True, False]}}}


def own_metrics():
    """Names under which the Lambdas report."""
    sources = ("shared/lambda/src/metrics.rs", "shared/run/src/stage.rs")
    source = "".join((WORKSPACE / path).read_text().split("#[cfg(test)]")[0] for path in sources)
    return set(re.findall(r'\("(\w+)", "(?:Count|Bytes|Milliseconds|None)"', source)) | set(
        re.findall(r'metric: "(\w+)"', source)
    )


def dashboard(resources):
    [board] = resources("AWS::CloudWatch::Dashboard").values()
    return json.loads(re.sub(r"\$\{(\w+)Memory\}", "1", board["DashboardBody"]["Fn::Sub"]))["widgets"]


def test_the_dashboard_shows_metrics_that_exist(resources):
    shown = [
        metric
        for widget in dashboard(resources)
        for metric in widget["properties"]["metrics"]
        if isinstance(metric[0], str)
    ]
    ours = {metric[1] for metric in shown if metric[0] == "Pomona"}
    stages = {f"{stage}_seconds" for stage in ("plan", "extract", "combine", "sweep", "reduce", "project")}
    assert ours == {"duration", "images", "rejects", "ms_per_image", "cost_usd", *stages} and ours <= own_metrics()
    functions = {f"${{{name}}}" for name in resources("AWS::Serverless::Function")}
    assert all(metric[3] in functions for metric in shown if metric[2] in ("function", "FunctionName"))
    assert {metric[1] for metric in shown if metric[0] == "AWS/Lambda"} == {
        "ConcurrentExecutions",
        "Throttles",
        "Errors",
        "Duration",
    }


def test_expressions_of_the_dashboard_use_metrics_of_their_own_widget(resources):
    for widget in dashboard(resources):
        metrics = widget["properties"]["metrics"]
        names = {metric[-1]["id"] for metric in metrics if isinstance(metric[-1], dict) and "id" in metric[-1]}
        for expression in (metric[0]["expression"] for metric in metrics if isinstance(metric[0], dict)):
            assert set(re.findall(r"[a-z]+", expression)) <= names, expression


def test_widgets_do_not_overlap(resources):
    places = [(widget["x"], widget["y"]) for widget in dashboard(resources)]
    assert len(set(places)) == len(places) and all(x % 8 == 0 and y % 6 == 0 for x, y in places)


def test_every_alarm_tells_the_topic(resources):
    alarms = resources("AWS::CloudWatch::Alarm")
    assert set(alarms) == {
        "RunsFailAlarm",
        "ThrottledAlarm",
        "SlowShardAlarm",
        "LongRunAlarm",
        "RejectsAlarm",
        "LostUploadsAlarm",
        "UndeliveredAlarm",
    }
    assert all(
        alarm["AlarmActions"] == [{"Ref": "Notifications"}] and alarm["TreatMissingData"] == "notBreaching"
        for alarm in alarms.values()
    )


def test_alarms_look_at_metrics_that_the_lambdas_write(resources):
    ours = {
        metric["MetricName"]
        for alarm in resources("AWS::CloudWatch::Alarm").values()
        for metric in metrics_of(alarm)
        if metric["Namespace"] == "Pomona"
    }
    assert ours == {"running_minutes", "images", "rejects"} and ours <= own_metrics()


def metrics_of(alarm):
    """What an alarm looks at, be it one metric or an expression of several."""
    return [each["MetricStat"]["Metric"] for each in alarm.get("Metrics", []) if "MetricStat" in each] or [alarm]


def test_a_budget_is_told_to_the_topic_and_there_is_none_unless_it_is_wanted(template, resources):
    assert template["Parameters"]["MonthlyBudget"]["Default"] == 0
    assert template["Resources"]["Budget"]["Condition"] == "HasBudget"
    [budget] = resources("AWS::Budgets::Budget").values()
    subscribers = [subscriber for each in budget["NotificationsWithSubscribers"] for subscriber in each["Subscribers"]]
    assert len(subscribers) == 2 and all(
        each == {"SubscriptionType": "SNS", "Address": {"Ref": "Notifications"}} for each in subscribers
    )


def test_functions_can_be_put_into_a_vpc(template, resources):
    config = template["Globals"]["Function"]["VpcConfig"]["Fn::If"]
    assert config[:2] == ["InVpc", {"SubnetIds": {"Ref": "SubnetIds"}, "SecurityGroupIds": {"Ref": "SecurityGroupIds"}}]
    network = {"Fn::If": ["InVpc", {"Ref": "Network"}, {"Ref": "AWS::NoValue"}]}
    roles = resources("AWS::IAM::Role")
    assert all(network in roles[f"{name}Role"]["ManagedPolicyArns"] for name in resources("AWS::Serverless::Function"))
