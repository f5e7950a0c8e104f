// SPDX-License-Identifier: Apache-2.0
// Model package groups (registered models), their policies, and tags.
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/sagemaker/call.h"
#include "base/json.h"
#include "base/status.h"
#include "registry/registry.h"

namespace slipway::api::sagemaker {
namespace {

constexpr std::string_view kGroup = "model-package-group";
constexpr std::string_view kCard = "model-card";

base::Result<std::string> GroupName(Rooms& rooms, const Call& call) {
  return NameOf(rooms, TextOf(call.fields, "ModelPackageGroupName"), kGroup);
}

base::Json Summary(const Rooms& rooms, const registry::Model& model) {
  base::Json json =
      base::Json::MakeObject({{"ModelPackageGroupName", model.name},
                              {"ModelPackageGroupArn", Arn(rooms, kGroup, model.name)},
                              {"CreationTime", Seconds(model.created)},
                              {"ModelPackageGroupStatus", "Completed"}});
  if (!model.description.empty()) json.Set("ModelPackageGroupDescription", model.description);
  return json;
}

base::Result<base::Json> Create(Rooms& rooms, const Call& call) {
  const std::string name = TextOf(call.fields, "ModelPackageGroupName");
  if (call.fields.Find("ManagedConfiguration") != nullptr)
    return Invalid("ManagedConfiguration", "must be absent: there is no managed storage");
  const registry::Tags tags = TRY(TagsOf(call.fields, "Tags"));
  TRY(rooms.registry.CreateModel(name, tags, TextOf(call.fields, "ModelPackageGroupDescription"),
                                 call.actor));
  return base::Json::MakeObject({{"ModelPackageGroupArn", Arn(rooms, kGroup, name)}});
}

base::Result<base::Json> Describe(Rooms& rooms, const Call& call) {
  base::Json json = Summary(rooms, TRY(GroupOf(rooms, TRY(GroupName(rooms, call)))));
  return json.Set("CreatedBy", base::Json::MakeObject());
}

base::Result<base::Json> List(Rooms& rooms, const Call& call) {
  std::vector<Entry> entries;
  if (TextOf(call.fields, "CrossAccountFilterOption") != "CrossAccount") {
    for (const registry::Model& model : TRY(rooms.registry.ListModels()))
      entries.push_back({model.created, model.name, 0, Summary(rooms, model)});
  }
  return PageOf(call.fields, std::move(entries), "ModelPackageGroupSummaryList");
}

base::Result<base::Json> Delete(Rooms& rooms, const Call& call) {
  const registry::Model model = TRY(GroupOf(rooms, TRY(GroupName(rooms, call))));
  const auto versions = TRY(rooms.registry.ListVersions(model.name));
  if (!versions.empty()) {
    return base::FailedPrecondition(
        "group_not_empty", "ModelPackageGroup " + Arn(rooms, kGroup, model.name) + " has " +
                               std::to_string(versions.size()) +
                               " model packages: delete them first");
  }
  TRY(rooms.registry.DeleteModel(model.name, call.actor));
  TRY(rooms.documents.Remove("policy", model.name));
  return base::Json::MakeObject();
}

base::Result<base::Json> PutPolicy(Rooms& rooms, const Call& call) {
  const registry::Model model = TRY(GroupOf(rooms, TRY(GroupName(rooms, call))));
  const std::string policy = TextOf(call.fields, "ResourcePolicy");
  const base::Result<base::Json> parsed = base::Json::Parse(policy);
  if (!parsed.ok() || !parsed->is_object())
    return Invalid("ResourcePolicy", "must be the JSON text of a policy");
  const base::Micros now = rooms.clock.Now();
  TRY(rooms.documents.Put(
      {"policy", model.name, 0, now, now, base::Json::MakeObject({{"ResourcePolicy", policy}})}));
  return base::Json::MakeObject({{"ModelPackageGroupArn", Arn(rooms, kGroup, model.name)}});
}

// One that is older than the model was of a deleted model of the same name.
base::Result<Document> PolicyOf(Rooms& rooms, const Call& call) {
  const registry::Model model = TRY(GroupOf(rooms, TRY(GroupName(rooms, call))));
  std::optional<Document> policy = TRY(rooms.documents.Find("policy", model.name, 0));
  if (policy && policy->created >= model.created) return std::move(*policy);
  return base::NotFound("policy_not_found",
                        "Cannot find resource policy for: " + Arn(rooms, kGroup, model.name));
}

base::Result<base::Json> GetPolicy(Rooms& rooms, const Call& call) {
  return TRY(PolicyOf(rooms, call)).body;
}

base::Result<base::Json> DeletePolicy(Rooms& rooms, const Call& call) {
  const Document policy = TRY(PolicyOf(rooms, call));
  TRY(rooms.documents.Remove("policy", policy.name));
  return base::Json::MakeObject();
}

// --- Tags: of a group, the registered model's; of a card, in its newest version's document.
struct Tagged {
  std::optional<registry::Model> group;
  std::optional<Document> card;
  registry::Tags tags;
};

base::Result<Tagged> FindTagged(Rooms& rooms, const Call& call) {
  const std::string arn = TextOf(call.fields, "ResourceArn");
  Tagged tagged;
  if (arn.starts_with(Arn(rooms, kCard, ""))) {
    tagged.card = TRY(NewestCard(rooms, TRY(NameOf(rooms, arn, kCard))));
    tagged.tags = TRY(TagsOf(tagged.card->body, "Tags"));
    return tagged;
  }
  if (!arn.starts_with(Arn(rooms, kGroup, ""))) {
    return Invalid("ResourceArn",
                   "must be the ARN of a model package group or a model card here "
                   "(a package keeps CustomerMetadataProperties instead)");
  }
  tagged.group = TRY(GroupOf(rooms, TRY(NameOf(rooms, arn, kGroup))));
  tagged.tags = tagged.group->tags;
  return tagged;
}

base::Status KeepCardTags(Rooms& rooms, Tagged& tagged) {
  tagged.card->body.Set("Tags", TagsJson(tagged.tags));
  return rooms.documents.Put(*tagged.card);
}

base::Result<base::Json> AddTags(Rooms& rooms, const Call& call) {
  Tagged tagged = TRY(FindTagged(rooms, call));
  const registry::Tags added = TRY(TagsOf(call.fields, "Tags"));
  for (const auto& [key, value] : added) tagged.tags[key] = value;
  if (tagged.tags.size() > 50) return Invalid("Tags", "must leave at most 50 tags");
  if (tagged.card) TRY(KeepCardTags(rooms, tagged));
  if (tagged.group) {
    for (const auto& [key, value] : added)
      TRY(rooms.registry.SetModelTag(tagged.group->name, key, value, call.actor));
  }
  return base::Json::MakeObject({{"Tags", TagsJson(tagged.tags)}});
}

base::Result<base::Json> ListTags(Rooms& rooms, const Call& call) {
  std::vector<Entry> entries;
  const Tagged tagged = TRY(FindTagged(rooms, call));
  for (const auto& [key, value] : tagged.tags)
    entries.push_back({0, key, 0, base::Json::MakeObject({{"Key", key}, {"Value", value}})});
  return PageOf(call.fields, std::move(entries), "Tags");
}

base::Result<base::Json> DeleteTags(Rooms& rooms, const Call& call) {
  Tagged tagged = TRY(FindTagged(rooms, call));
  for (const base::Json& key : call.fields.Find("TagKeys")->AsArray()) {
    if (!key.is_string()) return Invalid("TagKeys", "must be strings");
    if (tagged.tags.erase(key.AsString()) > 0 && tagged.group)
      TRY(rooms.registry.DeleteModelTag(tagged.group->name, key.AsString(), call.actor));
  }
  if (tagged.card) TRY(KeepCardTags(rooms, tagged));
  return base::Json::MakeObject();
}

}  // namespace

base::Result<registry::Model> GroupOf(Rooms& rooms, const std::string& name) {
  base::Result<registry::Model> model = rooms.registry.GetModel(name);
  if (model.ok() || model.status().code() != base::Code::kNotFound) return model;
  return base::NotFound("model_not_found",
                        "ModelPackageGroup " + Arn(rooms, kGroup, name) + " does not exist.");
}

std::vector<Operation> GroupOperations() {
  const Member name = {"ModelPackageGroupName", Kind::kArnOrName, true, 1, 512, ""};
  const Member arn = {"ResourceArn", Kind::kText, true, 1, 512, ""};
  return {
      {"CreateModelPackageGroup",
       {{"ModelPackageGroupName", Kind::kName, true, 1, 63, ""},
        {"ModelPackageGroupDescription", Kind::kText, false, 0, 1024, ""},
        {"Tags", Kind::kList, false, 0, 50, ""},
        {"ManagedConfiguration", Kind::kObject, false, 0, 1, ""}},
       Create},
      {"DescribeModelPackageGroup", {name}, Describe},
      {"ListModelPackageGroups",
       {{"CreationTimeAfter", Kind::kTime, false, 0, 0, ""},
        {"CreationTimeBefore", Kind::kTime, false, 0, 0, ""},
        {"MaxResults", Kind::kCount, false, 1, 100, ""},
        {"NameContains", Kind::kText, false, 0, 63, ""},
        {"NextToken", Kind::kText, false, 0, 8192, ""},
        {"SortBy", Kind::kText, false, 0, 63, "Name|CreationTime"},
        {"SortOrder", Kind::kText, false, 0, 63, "Ascending|Descending"},
        {"CrossAccountFilterOption", Kind::kText, false, 0, 63, "SameAccount|CrossAccount"}},
       List},
      {"DeleteModelPackageGroup", {name}, Delete},
      {"PutModelPackageGroupPolicy",
       {name, {"ResourcePolicy", Kind::kText, true, 1, 20480, ""}},
       PutPolicy},
      {"GetModelPackageGroupPolicy", {name}, GetPolicy},
      {"DeleteModelPackageGroupPolicy", {name}, DeletePolicy},
      {"AddTags", {arn, {"Tags", Kind::kList, true, 0, 50, ""}}, AddTags},
      {"ListTags",
       {arn,
        {"NextToken", Kind::kText, false, 0, 8192, ""},
        {"MaxResults", Kind::kCount, false, 50, 1'000'000, ""}},
       ListTags},
      {"DeleteTags", {arn, {"TagKeys", Kind::kList, true, 1, 50, ""}}, DeleteTags},
  };
}

}  // namespace slipway::api::sagemaker
