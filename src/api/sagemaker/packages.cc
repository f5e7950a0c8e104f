// SPDX-License-Identifier: Apache-2.0
// Model packages: versions of a registered model. Approval is promotion, through the gates.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/sagemaker/call.h"
#include "api/sagemaker/model_data.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"
#include "registry/registry.h"

namespace slipway::api::sagemaker {
namespace {

constexpr std::string_view kPackage = "model-package";
constexpr std::string_view kGroup = "model-package-group";

// Kept as the client gave them.
constexpr std::string_view kKept[] = {"ModelPackageRegistrationType",
                                      "InferenceSpecification",
                                      "ValidationSpecification",
                                      "SourceAlgorithmSpecification",
                                      "CertifyForMarketplace",
                                      "MetadataProperties",
                                      "ModelMetrics",
                                      "Domain",
                                      "Task",
                                      "SamplePayloadUrl",
                                      "DriftCheckBaselines",
                                      "AdditionalInferenceSpecifications",
                                      "SkipModelValidation",
                                      "SourceUri",
                                      "SecurityConfig",
                                      "ModelCard",
                                      "ModelLifeCycle",
                                      "ApprovalDescription"};

std::string ArnOf(const Rooms& rooms, const registry::Version& version) {
  return Arn(rooms, kPackage, version.model + "/" + std::to_string(version.number));
}

std::string_view ApprovalOf(registry::Stage stage) {
  if (stage == registry::Stage::kProduction) return "Approved";
  return stage == registry::Stage::kArchived ? "Rejected" : "PendingManualApproval";
}

registry::Stage StageOf(std::string_view approval) {
  if (approval == "Approved") return registry::Stage::kProduction;
  return approval == "Rejected" ? registry::Stage::kArchived : registry::Stage::kNone;
}

std::string_view StatusOf(const registry::Version& version) {
  if (version.status == "READY") return "Completed";
  return version.status == "PENDING_REGISTRATION" ? "InProgress" : "Failed";
}

base::Result<registry::Version> FindPackage(Rooms& rooms, const std::string& text) {
  const std::string path = TRY(NameOf(rooms, text, kPackage));
  const size_t slash = path.rfind('/');
  int64_t number = 0;
  if (slash != std::string::npos)
    std::from_chars(path.data() + slash + 1, path.data() + path.size(), number);
  const base::Status missing = base::NotFound(
      "package_not_found", "ModelPackage " + Arn(rooms, kPackage, path) + " does not exist.");
  if (number == 0) return missing;
  base::Result<registry::Version> version =
      rooms.registry.GetVersion(path.substr(0, slash), number);
  if (!version.ok() && version.status().code() == base::Code::kNotFound) return missing;
  return version;
}

base::Result<Document> DocumentOf(Rooms& rooms, const registry::Version& version) {
  std::optional<Document> found =
      TRY(rooms.documents.Find("package", version.model, version.number));
  if (found) return std::move(*found);
  return Document{"package",       version.model,   version.number,
                  version.created, version.updated, base::Json::MakeObject()};
}

// What lists tell; `body` is the package's document.
base::Json Summary(const Rooms& rooms, const registry::Version& version, const base::Json& body) {
  base::Json json = base::Json::MakeObject({{"ModelPackageGroupName", version.model},
                                            {"ModelPackageVersion", version.number},
                                            {"ModelPackageArn", ArnOf(rooms, version)},
                                            {"CreationTime", Seconds(version.created)},
                                            {"ModelPackageStatus", StatusOf(version)},
                                            {"ModelApprovalStatus", ApprovalOf(version.stage)}});
  if (!version.description.empty()) json.Set("ModelPackageDescription", version.description);
  for (const std::string_view name : {"ModelLifeCycle", "ModelPackageRegistrationType"}) {
    if (const base::Json* value = body.Find(name)) json.Set(name, *value);
  }
  return json;
}

base::Json SpecificationOf(const Rooms& rooms, const registry::Version& version,
                           const base::Json& body) {
  if (const base::Json* given = body.Find("InferenceSpecification")) return *given;
  return base::Json::MakeObject(
      {{"Containers", base::Json::MakeArray({base::Json::MakeObject(
                          {{"ModelDataUrl", rooms.blobs.UriOf(version.Folder())}})})}});
}

base::Result<base::Json> VerdictsJson(Rooms& rooms, const registry::Version& version) {
  base::Json list = base::Json::MakeArray();
  const auto verdicts = TRY(rooms.registry.RecordedVerdicts(version.model, version.number));
  for (const registry::Verdict& verdict : verdicts) {
    base::Json item = base::Json::MakeObject({{"Name", verdict.gate}});
    const bool failed = verdict.outcome == registry::Outcome::kFail;
    const bool passed = verdict.outcome == registry::Outcome::kPass;
    item.Set("Status", failed ? "Failed" : passed ? "Completed" : "NotStarted");
    if (failed) item.Set("FailureReason", verdict.summary);
    list.Append(std::move(item));
  }
  return base::Json::MakeObject({{"ValidationStatuses", std::move(list)}});
}

base::Result<base::Json> Describe(Rooms& rooms, const Call& call) {
  const registry::Version version =
      TRY(FindPackage(rooms, TextOf(call.fields, "ModelPackageName")));
  const Document document = TRY(DocumentOf(rooms, version));
  base::Json json = Summary(rooms, version, document.body);
  for (const auto& [name, value] : document.body.AsObject()) json.Set(name, value);
  json.Set("ModelPackageName", version.model);
  json.Set("InferenceSpecification", SpecificationOf(rooms, version, document.body));
  json.Set("ModelPackageStatusDetails", TRY(VerdictsJson(rooms, version)));
  json.Set("CreatedBy", UserJson(version.user));
  json.Set("LastModifiedTime", Seconds(std::max(version.updated, document.updated)));
  if (json.Find("SourceUri") == nullptr) json.Set("SourceUri", version.source);
  base::Json customer = base::Json::MakeObject();
  for (const auto& [key, value] : version.tags) customer.Set(key, value);
  if (!version.tags.empty()) json.Set("CustomerMetadataProperties", std::move(customer));
  return json;
}

base::Result<base::Json> BatchDescribe(Rooms& rooms, const Call& call) {
  base::Json found = base::Json::MakeObject();
  base::Json failed = base::Json::MakeObject();
  for (const base::Json& arn : call.fields.Find("ModelPackageArnList")->AsArray()) {
    if (!arn.is_string()) return Invalid("ModelPackageArnList", "must be of strings");
    const base::Result<registry::Version> version = FindPackage(rooms, arn.AsString());
    if (!version.ok()) {
      failed.Set(arn.AsString(),
                 base::Json::MakeObject({{"ErrorCode", "ValidationException"},
                                         {"ErrorResponse", version.status().message()}}));
      continue;
    }
    const Document document = TRY(DocumentOf(rooms, *version));
    base::Json summary = Summary(rooms, *version, document.body);
    summary.Set("InferenceSpecification", SpecificationOf(rooms, *version, document.body));
    found.Set(arn.AsString(), std::move(summary));
  }
  return base::Json::MakeObject({{"ModelPackageSummaries", std::move(found)},
                                 {"BatchDescribeModelPackageErrorMap", std::move(failed)}});
}

// Packages without a group, which AWS lists unless told otherwise, do not exist here.
base::Result<base::Json> List(Rooms& rooms, const Call& call) {
  const std::string type = TextOf(call.fields, "ModelPackageType");
  const std::string approval = TextOf(call.fields, "ModelApprovalStatus");
  registry::VersionQuery query;
  const std::string group =
      TRY(NameOf(rooms, TextOf(call.fields, "ModelPackageGroupName"), kGroup));
  if (!group.empty()) query.model = TRY(GroupOf(rooms, group)).name;
  std::vector<Entry> entries;
  if (type == "Unversioned" || (type.empty() && group.empty()))
    return PageOf(call.fields, std::move(entries), "ModelPackageSummaryList");
  std::map<std::pair<std::string, int64_t>, base::Json> bodies;
  for (Document& document : TRY(rooms.documents.List("package", group)))
    bodies[{document.name, document.number}] = std::move(document.body);
  for (const registry::Version& version : TRY(rooms.registry.FindVersions(query))) {
    if (!approval.empty() && approval != ApprovalOf(version.stage)) continue;
    entries.push_back({version.created, version.model, version.number,
                       Summary(rooms, version, bodies[{version.model, version.number}])});
  }
  return PageOf(call.fields, std::move(entries), "ModelPackageSummaryList");
}

base::Status Approve(Rooms& rooms, const Call& call, const registry::Version& version) {
  const std::string approval = TextOf(call.fields, "ModelApprovalStatus");
  if (approval.empty() || approval == ApprovalOf(version.stage)) return {};
  registry::TransitionRequest request;
  request.model = version.model;
  request.version = version.number;
  request.to = StageOf(approval);
  request.reason = TextOf(call.fields, "ApprovalDescription");
  request.actor = call.actor;
  return rooms.registry.Transition(request).status();
}

base::Status CheckLifeCycle(const base::Json& fields) {
  const base::Json* cycle = fields.Find("ModelLifeCycle");
  if (cycle == nullptr) return {};
  for (const std::string_view name : {"Stage", "StageStatus"}) {
    const std::string text = TextOf(*cycle, name);
    if (text.empty() || text.size() > 63)
      return Invalid("ModelLifeCycle." + std::string(name), "must have 1 to 63 characters");
  }
  return {};
}

registry::Tags CustomerTags(const base::Json& fields) {
  registry::Tags tags;
  const base::Json* given = fields.Find("CustomerMetadataProperties");
  if (given == nullptr) return tags;
  for (const auto& [key, value] : given->AsObject()) tags[key] = value.AsString();
  return tags;
}

void Keep(const base::Json& fields, base::Json& body) {
  for (const std::string_view name : kKept) {
    if (const base::Json* value = fields.Find(name)) body.Set(name, *value);
  }
}

base::Result<registry::Version> Make(Rooms& rooms, const Call& call) {
  const std::string group =
      TRY(NameOf(rooms, TextOf(call.fields, "ModelPackageGroupName"), kGroup));
  if (group.empty() || call.fields.Find("ModelPackageName") != nullptr) {
    return Invalid(group.empty() ? "ModelPackageGroupName" : "ModelPackageName",
                   "must be a group's: packages outside a group are not kept");
  }
  if (call.fields.Find("Tags") != nullptr)
    return Invalid("Tags",
                   "must be absent for a versioned package: tag its group, or give "
                   "CustomerMetadataProperties");
  TRY(CheckLifeCycle(call.fields));
  registry::CreateVersionRequest request;
  request.model = TRY(GroupOf(rooms, group)).name;
  const ModelData data = TRY(ModelDataOf(rooms.blobs, call.fields));
  request.source = data.uri;
  request.source_folder = data.folder;
  request.run_id = data.run_id;
  request.description = TextOf(call.fields, "ModelPackageDescription");
  request.tags = CustomerTags(call.fields);
  request.metadata = MetadataOf(call.fields);
  request.actor = call.actor;
  registry::Version version = TRY(rooms.registry.CreateVersion(request));
  base::Json body = base::Json::MakeObject();
  Keep(call.fields, body);
  base::Status done = rooms.documents.Put({"package", version.model, version.number,
                                           version.created, version.created, std::move(body)});
  if (done.ok()) done = Approve(rooms, call, version);
  if (done.ok()) return version;
  // One that may not be approved is not there at all.
  TRY(rooms.registry.DeleteVersion(version.model, version.number, call.actor));
  return done;
}

base::Result<base::Json> Create(Rooms& rooms, const Call& call) {
  const std::string token = TextOf(call.fields, "ClientToken");
  const std::string asked = base::Sha256Hex(call.fields.Dump());
  const std::scoped_lock lock(rooms.creating);
  if (!token.empty()) {
    if (const std::optional<Document> made = TRY(rooms.documents.Find("token", token, 0))) {
      if (TextOf(made->body, "Asked") == asked)
        return base::Json::MakeObject({{"ModelPackageArn", TextOf(made->body, "Arn")}});
      return base::FailedPrecondition(
          "token_reused", "ClientToken '" + token + "' was used for another model package");
    }
  }
  const registry::Version version = TRY(Make(rooms, call));
  const std::string arn = ArnOf(rooms, version);
  if (!token.empty()) {
    TRY(rooms.documents.Put({"token", token, 0, version.created, version.created,
                             base::Json::MakeObject({{"Asked", asked}, {"Arn", arn}})}));
  }
  return base::Json::MakeObject({{"ModelPackageArn", arn}});
}

base::Status Additions(const Call& call, base::Json& body) {
  const base::Json* added = call.fields.Find("AdditionalInferenceSpecificationsToAdd");
  if (added == nullptr) return {};
  base::Json all = base::Json::MakeArray();
  if (const base::Json* kept = body.Find("AdditionalInferenceSpecifications")) all = *kept;
  for (const base::Json& item : added->AsArray()) all.Append(item);
  if (all.AsArray().size() > 15)
    return Invalid("AdditionalInferenceSpecificationsToAdd", "must leave at most 15");
  body.Set("AdditionalInferenceSpecifications", std::move(all));
  return {};
}

base::Result<base::Json> Update(Rooms& rooms, const Call& call) {
  const registry::Version version = TRY(FindPackage(rooms, TextOf(call.fields, "ModelPackageArn")));
  TRY(CheckLifeCycle(call.fields));
  Document document = TRY(DocumentOf(rooms, version));
  Keep(call.fields, document.body);
  TRY(Additions(call, document.body));
  const base::Json* removed = call.fields.Find("CustomerMetadataPropertiesToRemove");
  const base::Json none = base::Json::MakeArray();
  for (const base::Json& key : (removed == nullptr ? none : *removed).AsArray()) {
    if (!key.is_string())
      return Invalid("CustomerMetadataPropertiesToRemove", "must be of strings");
  }
  TRY(Approve(rooms, call, version));  // first: a refusal leaves everything as it was
  document.updated = rooms.clock.Now();
  TRY(rooms.documents.Put(document));
  for (const auto& [key, value] : CustomerTags(call.fields))
    TRY(rooms.registry.SetVersionTag(version.model, version.number, key, value, call.actor));
  for (const base::Json& key : (removed == nullptr ? none : *removed).AsArray()) {
    if (version.tags.contains(key.AsString()))
      TRY(rooms.registry.DeleteVersionTag(version.model, version.number, key.AsString(),
                                          call.actor));
  }
  return base::Json::MakeObject({{"ModelPackageArn", ArnOf(rooms, version)}});
}

base::Result<base::Json> Delete(Rooms& rooms, const Call& call) {
  const registry::Version version =
      TRY(FindPackage(rooms, TextOf(call.fields, "ModelPackageName")));
  TRY(rooms.registry.DeleteVersion(version.model, version.number, call.actor));
  return base::Json::MakeObject();
}

std::vector<Member> SharedMembers() {
  return {
      {"ModelApprovalStatus", Kind::kText, false, 0, 63, "Approved|Rejected|PendingManualApproval"},
      {"ModelPackageRegistrationType", Kind::kText, false, 0, 63, "Logged|Registered"},
      {"CustomerMetadataProperties", Kind::kMap, false, 1, 50, ""},
      {"InferenceSpecification", Kind::kObject, false, 0, 0, ""},
      {"SourceUri", Kind::kText, false, 0, 1024, ""},
      {"ModelCard", Kind::kObject, false, 0, 0, ""},
      {"ModelLifeCycle", Kind::kObject, false, 0, 0, ""},
      {"ClientToken", Kind::kText, false, 1, 36, ""}};
}

Operation CreateOperation() {
  std::vector<Member> members = SharedMembers();
  members.insert(members.end(),
                 {{"ModelPackageName", Kind::kName, false, 1, 63, ""},
                  {"ModelPackageGroupName", Kind::kArnOrName, false, 1, 512, ""},
                  {"ModelPackageDescription", Kind::kText, false, 0, 1024, ""},
                  {"ValidationSpecification", Kind::kObject, false, 0, 0, ""},
                  {"SourceAlgorithmSpecification", Kind::kObject, false, 0, 0, ""},
                  {"CertifyForMarketplace", Kind::kFlag, false, 0, 0, ""},
                  {"Tags", Kind::kList, false, 0, 50, ""},
                  {"MetadataProperties", Kind::kObject, false, 0, 0, ""},
                  {"ModelMetrics", Kind::kObject, false, 0, 0, ""},
                  {"Domain", Kind::kText, false, 0, 1024, ""},
                  {"Task", Kind::kText, false, 0, 1024, ""},
                  {"SamplePayloadUrl", Kind::kText, false, 0, 1024, ""},
                  {"DriftCheckBaselines", Kind::kObject, false, 0, 0, ""},
                  {"AdditionalInferenceSpecifications", Kind::kList, false, 1, 15, ""},
                  {"SkipModelValidation", Kind::kText, false, 0, 63, "All|None"},
                  {"SecurityConfig", Kind::kObject, false, 0, 0, ""}});
  return {"CreateModelPackage", std::move(members), Create};
}

Operation UpdateOperation() {
  std::vector<Member> members = SharedMembers();
  members.insert(members.end(),
                 {{"ModelPackageArn", Kind::kPackage, true, 1, 2048, ""},
                  {"ApprovalDescription", Kind::kText, false, 0, 1024, ""},
                  {"CustomerMetadataPropertiesToRemove", Kind::kList, false, 0, 50, ""},
                  {"AdditionalInferenceSpecificationsToAdd", Kind::kList, false, 1, 15, ""}});
  return {"UpdateModelPackage", std::move(members), Update};
}

}  // namespace

std::vector<Operation> PackageOperations() {
  const Member name = {"ModelPackageName", Kind::kPackage, true, 1, 512, ""};
  return {
      CreateOperation(),
      UpdateOperation(),
      {"DescribeModelPackage",
       {name, {"IncludedData", Kind::kText, false, 0, 63, "AllData|MetadataOnly"}},
       Describe},
      {"BatchDescribeModelPackage",
       {{"ModelPackageArnList", Kind::kList, true, 1, 100, ""}},
       BatchDescribe},
      {"ListModelPackages",
       {{"CreationTimeAfter", Kind::kTime, false, 0, 0, ""},
        {"CreationTimeBefore", Kind::kTime, false, 0, 0, ""},
        {"MaxResults", Kind::kCount, false, 1, 100, ""},
        {"NameContains", Kind::kText, false, 0, 63, ""},
        {"ModelApprovalStatus", Kind::kText, false, 0, 63,
         "Approved|Rejected|PendingManualApproval"},
        {"ModelPackageGroupName", Kind::kArnOrName, false, 1, 512, ""},
        {"ModelPackageType", Kind::kText, false, 0, 63, "Versioned|Unversioned|Both"},
        {"NextToken", Kind::kText, false, 0, 8192, ""},
        {"SortBy", Kind::kText, false, 0, 63, "Name|CreationTime"},
        {"SortOrder", Kind::kText, false, 0, 63, "Ascending|Descending"}},
       List},
      {"DeleteModelPackage", {name}, Delete},
  };
}

}  // namespace slipway::api::sagemaker
