# SPDX-License-Identifier: Apache-2.0
"""boto3's sagemaker client, unmodified, against the registry."""

from __future__ import annotations

import datetime
import json

import boto3
import botocore.config
import mlflow
import pytest
import requests
import tiny_models
from botocore.exceptions import ClientError
from slipway_server import Server

KEY, SECRET = "AKIASLIPWAYTEST", "s3cr3t/of+tests"
ARN = "arn:aws:sagemaker:eu-west-1:123456789012:"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sagemaker")
    keys = folder / "keys"
    keys.write_text(f"# those who may sign\n{KEY} {SECRET}\n")
    settings = {"KEYS_FILE": str(keys), "REGION": "eu-west-1", "ACCOUNT": "123456789012"}
    environment = {f"SLIPWAY_SAGEMAKER_{name}": value for name, value in settings.items()}
    running = Server(folder / "data", environment=environment).start()
    yield running
    assert running.stop() == 0, running.log_tail()


def client(server, key=KEY, secret=SECRET, region="eu-west-1"):
    return boto3.client(
        "sagemaker",
        endpoint_url=server.url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=botocore.config.Config(retries={"max_attempts": 0}),
    )


@pytest.fixture(scope="module")
def sagemaker(server):
    return client(server)


@pytest.fixture(scope="module")
def fraud(server, sagemaker):
    """A model that MLflow registered, whose version passes every gate: name and where its run's files are."""
    number = tiny_models.register(server.url, "fraud")
    mlflow.set_tracking_uri(server.url)
    version = mlflow.MlflowClient().get_model_version("fraud", number)
    return {"number": int(number), "url": f"mlflow-artifacts:/models/fraud/v{number}", "run_id": version.run_id}


def specification(url):
    return {"Containers": [{"Image": "example/image:1", "ModelDataUrl": url}], "SupportedContentTypes": ["text/csv"]}


def refused(call, name, *words, **arguments):
    with pytest.raises(ClientError) as error:
        call(**arguments)
    assert error.value.response["Error"]["Code"] == name
    for word in words:
        assert word in error.value.response["Error"]["Message"]


def test_wrong_signatures_are_refused(server):
    for wrong, name in [
        (client(server, secret="other"), "InvalidSignatureException"),
        (client(server, key="AKIANOBODY"), "UnrecognizedClientException"),
        (client(server, region="us-west-2"), "InvalidSignatureException"),
    ]:
        refused(wrong.list_model_package_groups, name)


def test_unsigned_changed_and_old_requests_are_refused(server):
    target = {"X-Amz-Target": "SageMaker.ListModelPackageGroups", "Content-Type": "application/x-amz-json-1.1"}
    answer = requests.post(server.url, data="{}", headers=target, timeout=10)
    assert answer.status_code == 403
    assert answer.json()["__type"] == "MissingAuthenticationToken"

    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    def signed(body="{}", extra=None):
        request = AWSRequest("POST", server.url + "/", data=body, headers={**target, **(extra or {})})
        SigV4Auth(Credentials(KEY, SECRET), "sagemaker", "eu-west-1").add_auth(request)
        return dict(request.headers)

    assert requests.post(server.url, data="{}", headers=signed(), timeout=10).status_code == 200
    body = '{"NextToken":null,"CreationTimeAfter":null}'
    nothing = signed(body)
    assert requests.post(server.url, data=body, headers=nothing, timeout=10).status_code == 200
    changed = requests.post(server.url, data='{"MaxResults":1}', headers=signed(), timeout=10)
    assert changed.json()["__type"] == "InvalidSignatureException"
    other = {**signed(), "X-Amz-Target": "SageMaker.ListModelCards"}
    assert requests.post(server.url, data="{}", headers=other, timeout=10).json()["__type"] == (
        "InvalidSignatureException"
    )
    late = {**signed(), "X-Amz-Date": "20200101T000000Z"}
    assert "expired" in requests.post(server.url, data="{}", headers=late, timeout=10).json()["message"]
    broken = {**target, "Authorization": "AWS4-HMAC-SHA256 Credential=x"}
    assert requests.post(server.url, data="{}", headers=broken, timeout=10).json()["__type"] == "IncompleteSignature"
    unknown = requests.post(
        server.url, data="{}", headers=signed(extra={"X-Amz-Target": "SageMaker.CreateEndpoint"}), timeout=10
    )
    assert unknown.json()["__type"] == "UnknownOperationException"


def test_without_keys_the_loopback_may_ask(tmp_path):
    open_server = Server(tmp_path / "data").start()
    try:
        assert client(open_server).list_model_package_groups()["ModelPackageGroupSummaryList"] == []
    finally:
        assert open_server.stop() == 0


def test_groups(sagemaker):
    made = sagemaker.create_model_package_group(
        ModelPackageGroupName="churn", ModelPackageGroupDescription="who leaves", Tags=[{"Key": "team", "Value": "a"}]
    )
    assert made["ModelPackageGroupArn"] == ARN + "model-package-group/churn"
    group = sagemaker.describe_model_package_group(ModelPackageGroupName=made["ModelPackageGroupArn"])
    assert group["ModelPackageGroupDescription"] == "who leaves"
    assert group["ModelPackageGroupStatus"] == "Completed"
    assert isinstance(group["CreationTime"], datetime.datetime)
    refused(
        sagemaker.create_model_package_group, "ValidationException", "already exists", ModelPackageGroupName="churn"
    )
    refused(
        sagemaker.create_model_package_group, "ValidationException", "ModelPackageGroupName", ModelPackageGroupName="-a"
    )
    refused(sagemaker.list_model_package_groups, "ValidationException", "SortBy", SortBy="Size")
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    sagemaker.put_model_package_group_policy(ModelPackageGroupName="churn", ResourcePolicy=policy)
    assert sagemaker.get_model_package_group_policy(ModelPackageGroupName="churn")["ResourcePolicy"] == policy
    sagemaker.delete_model_package_group_policy(ModelPackageGroupName="churn")
    refused(sagemaker.get_model_package_group_policy, "ValidationException", "policy", ModelPackageGroupName="churn")
    arn = group["ModelPackageGroupArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "cost", "Value": "7"}])
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=["team"])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "cost", "Value": "7"}]
    sagemaker.delete_model_package_group(ModelPackageGroupName="churn")
    refused(
        sagemaker.describe_model_package_group, "ValidationException", "does not exist", ModelPackageGroupName="churn"
    )


def test_approval_promotes_and_what_mlflow_registered_is_there(sagemaker, fraud):
    arn = f"{ARN}model-package/fraud/{fraud['number']}"
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert package["ModelPackageStatus"] == "Completed"
    sagemaker.update_model_package(
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="reviewed",
        CustomerMetadataProperties={"owner": "ada", "gone": "x"},
        ModelLifeCycle={"Stage": "Prod", "StageStatus": "Live"},
    )
    sagemaker.update_model_package(ModelPackageArn=arn, CustomerMetadataPropertiesToRemove=["gone"])
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "Approved"
    assert package["ApprovalDescription"] == "reviewed"
    assert package["CustomerMetadataProperties"]["owner"] == "ada"
    assert "gone" not in package["CustomerMetadataProperties"]
    assert package["ModelLifeCycle"]["Stage"] == "Prod"
    assert {v["Status"] for v in package["ModelPackageStatusDetails"]["ValidationStatuses"]} <= {
        "Completed",
        "NotStarted",
    }
    version = mlflow.MlflowClient().get_model_version("fraud", fraud["number"])
    assert version.current_stage == "Production"
    assert version.tags["owner"] == "ada"
    newest = sagemaker.list_model_packages(
        ModelPackageGroupName="fraud",
        ModelApprovalStatus="Approved",
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=1,
    )["ModelPackageSummaryList"]
    assert [p["ModelPackageArn"] for p in newest] == [arn]


def test_a_package_made_here_is_an_mlflow_version_and_gates_refuse_it(sagemaker, fraud):
    sagemaker.create_model_package_group(ModelPackageGroupName="bare")
    arguments = {
        "ModelPackageGroupName": "bare",
        "ModelPackageDescription": "no metadata",
        "InferenceSpecification": specification(fraud["url"]),
        "ModelMetrics": {"ModelQuality": {"Statistics": {"ContentType": "application/json", "S3Uri": "s3://b/m"}}},
        "MetadataProperties": {"CommitId": "0123abc"},
        "SkipModelValidation": "All",
        "ClientToken": "token-1",
    }
    arn = sagemaker.create_model_package(**arguments)["ModelPackageArn"]
    assert sagemaker.create_model_package(**arguments)["ModelPackageArn"] == arn == ARN + "model-package/bare/1"
    refused(
        sagemaker.create_model_package,
        "ConflictException",
        "token-1",
        **{**arguments, "ModelPackageDescription": "other"},
    )
    version = mlflow.MlflowClient().get_model_version("bare", 1)
    assert version.status == "READY"
    assert version.description == "no metadata"
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    for member in ("InferenceSpecification", "ModelMetrics", "MetadataProperties", "SkipModelValidation"):
        assert package[member] == arguments[member]
    refused(
        sagemaker.update_model_package,
        "ConflictException",
        "dataset_hash",
        ModelPackageArn=arn,
        ModelApprovalStatus="Approved",
        ApprovalDescription="never kept",
    )
    package = sagemaker.describe_model_package(ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "PendingManualApproval"
    assert "ApprovalDescription" not in package
    assert "Failed" in [v["Status"] for v in package["ModelPackageStatusDetails"]["ValidationStatuses"]]
    refused(
        sagemaker.create_model_package,
        "ConflictException",
        **{**arguments, "ClientToken": "token-2", "ModelApprovalStatus": "Approved"},
    )
    assert len(sagemaker.list_model_packages(ModelPackageGroupName="bare")["ModelPackageSummaryList"]) == 1
    sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Rejected")
    assert mlflow.MlflowClient().get_model_version("bare", 1).current_stage == "Archived"
    found = sagemaker.batch_describe_model_package(ModelPackageArnList=[arn, ARN + "model-package/bare/99"])
    assert found["ModelPackageSummaries"][arn]["ModelApprovalStatus"] == "Rejected"
    assert list(found["BatchDescribeModelPackageErrorMap"]) == [ARN + "model-package/bare/99"]
    refused(sagemaker.delete_model_package_group, "ConflictException", "1 model", ModelPackageGroupName="bare")
    sagemaker.delete_model_package(ModelPackageName=arn)
    refused(sagemaker.describe_model_package, "ValidationException", "does not exist", ModelPackageName=arn)
    sagemaker.delete_model_package_group(ModelPackageGroupName="bare")


def test_model_data_elsewhere_is_refused_by_name(sagemaker, fraud):
    for url in ("s3://somewhere/model.tar.gz", "mlflow-artifacts:/0/none/artifacts/model", ""):
        refused(
            sagemaker.create_model_package,
            "ValidationException",
            "ModelDataUrl",
            ModelPackageGroupName="fraud",
            InferenceSpecification=specification(url),
        )


def test_a_paginator_walks_300_packages(sagemaker, fraud):
    sagemaker.create_model_package_group(ModelPackageGroupName="many")
    for number in range(300):
        sagemaker.create_model_package(
            ModelPackageGroupName="many",
            InferenceSpecification=specification(fraud["url"]),
            ModelPackageDescription=str(number),
        )
    for order, wanted in (("Ascending", range(1, 301)), ("Descending", range(300, 0, -1))):
        pages = sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName="many", SortOrder=order, PaginationConfig={"PageSize": 7}
        )
        seen = [p["ModelPackageVersion"] for page in pages for p in page["ModelPackageSummaryList"]]
        assert seen == list(wanted)
    now = datetime.datetime.now(datetime.UTC)
    later = now + datetime.timedelta(hours=1)
    for arguments, count in (
        ({"CreationTimeAfter": later}, 0),
        ({"CreationTimeBefore": later}, 100),
        ({"NameContains": "man"}, 100),
        ({"NameContains": "zzz"}, 0),
        ({"ModelPackageType": "Unversioned"}, 0),
        ({"ModelApprovalStatus": "Rejected"}, 0),
    ):
        answer = sagemaker.list_model_packages(ModelPackageGroupName="many", **arguments)
        assert len(answer["ModelPackageSummaryList"]) == count, arguments
    refused(sagemaker.list_model_packages, "ValidationException", "NextToken", NextToken="made up")


def test_model_cards(sagemaker):
    content = json.dumps({"model_overview": {"model_description": "a"}})
    made = sagemaker.create_model_card(
        ModelCardName="card", Content=content, ModelCardStatus="Draft", Tags=[{"Key": "k", "Value": "v"}]
    )
    arn = made["ModelCardArn"]
    assert arn == ARN + "model-card/card"
    refused(
        sagemaker.create_model_card,
        "ConflictException",
        ModelCardName="card",
        Content=content,
        ModelCardStatus="Draft",
    )
    other = json.dumps({"model_overview": {"model_description": "b"}})
    sagemaker.update_model_card(ModelCardName="card", Content=other)
    sagemaker.update_model_card(ModelCardName="card", ModelCardStatus="Approved")
    card = sagemaker.describe_model_card(ModelCardName="card")
    assert (card["ModelCardVersion"], card["ModelCardStatus"], card["Content"]) == (2, "Approved", other)
    assert sagemaker.describe_model_card(ModelCardName=arn, ModelCardVersion=1)["Content"] == content
    versions = sagemaker.list_model_card_versions(ModelCardName="card", SortOrder="Descending")
    assert [v["ModelCardVersion"] for v in versions["ModelCardVersionSummaryList"]] == [2, 1]
    assert [c["ModelCardName"] for c in sagemaker.list_model_cards(ModelCardStatus="Approved")["ModelCardSummaries"]]
    assert not sagemaker.list_model_cards(ModelCardStatus="Draft")["ModelCardSummaries"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "l", "Value": "w"}])
    assert len(sagemaker.list_tags(ResourceArn=arn)["Tags"]) == 2
    refused(
        sagemaker.create_model_card,
        "ValidationException",
        "Content",
        ModelCardName="c2",
        Content="no",
        ModelCardStatus="Draft",
    )
    sagemaker.delete_model_card(ModelCardName="card")
    refused(sagemaker.describe_model_card, "ResourceNotFound", "card", ModelCardName="card")
