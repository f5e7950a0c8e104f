// SPDX-License-Identifier: Apache-2.0
// Model cards: each change of the content is a version; versions stay until the card is deleted.
#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/sagemaker/call.h"
#include "base/json.h"
#include "base/status.h"

namespace slipway::api::sagemaker {
namespace {

constexpr std::string_view kCard = "model-card";

base::Result<std::string> CardName(Rooms& rooms, const Call& call) {
  return NameOf(rooms, TextOf(call.fields, "ModelCardName"), kCard);
}

base::Status NoSuchCard(const Rooms& rooms, const std::string& name) {
  return base::NotFound("card_not_found",
                        "ModelCard " + Arn(rooms, kCard, name) + " does not exist.");
}

base::Status CheckContent(const std::string& content) {
  if (base::Json::Parse(content).ok()) return {};
  return Invalid("Content", "must be the JSON text of a model card");
}

base::Json ArnJson(const Rooms& rooms, const std::string& name) {
  return base::Json::MakeObject({{"ModelCardArn", Arn(rooms, kCard, name)}});
}

base::Result<base::Json> Create(Rooms& rooms, const Call& call) {
  const std::string name = TextOf(call.fields, "ModelCardName");
  TRY(CheckContent(TextOf(call.fields, "Content")));
  TRY(TagsOf(call.fields, "Tags"));
  base::Json body = call.fields;
  body.Set("User", call.actor.name);
  const base::Micros now = rooms.clock.Now();
  TRY(rooms.documents.Add({"card", name, 1, now, now, std::move(body)}));
  return ArnJson(rooms, name);
}

base::Json Summary(const Rooms& rooms, const Document& card, base::Micros created) {
  return base::Json::MakeObject({{"ModelCardName", card.name},
                                 {"ModelCardArn", Arn(rooms, kCard, card.name)},
                                 {"ModelCardStatus", TextOf(card.body, "ModelCardStatus")},
                                 {"CreationTime", Seconds(created)},
                                 {"LastModifiedTime", Seconds(card.updated)}});
}

base::Result<base::Json> Describe(Rooms& rooms, const Call& call) {
  const std::string name = TRY(CardName(rooms, call));
  const std::vector<Document> all = TRY(rooms.documents.List("card", name));
  if (name.empty() || all.empty()) return NoSuchCard(rooms, name);
  const base::Json* wanted = call.fields.Find("ModelCardVersion");
  const int64_t number = wanted == nullptr ? all.back().number : wanted->AsInt();
  const auto card = std::ranges::find(all, number, &Document::number);
  if (card == all.end()) {
    return base::NotFound("card_not_found", "ModelCard " + Arn(rooms, kCard, name) +
                                                " has no version " + std::to_string(number) + ".");
  }
  const bool brief = TextOf(call.fields, "IncludedData") == "MetadataOnly";
  base::Json json = Summary(rooms, *card, all.front().created);
  json.Set("ModelCardVersion", card->number);
  json.Set("Content", brief ? std::string() : TextOf(card->body, "Content"));
  json.Set("CreatedBy", UserJson(TextOf(all.front().body, "User")));
  json.Set("LastModifiedBy", UserJson(TextOf(card->body, "User")));
  const base::Json* security = card->body.Find("SecurityConfig");
  if (security != nullptr) json.Set("SecurityConfig", *security);
  return json;
}

base::Result<base::Json> Update(Rooms& rooms, const Call& call) {
  Document card = TRY(NewestCard(rooms, TRY(CardName(rooms, call))));
  const base::Json* content = call.fields.Find("Content");
  const base::Json* status = call.fields.Find("ModelCardStatus");
  if (content == nullptr && status == nullptr)
    return Invalid("Content", "or ModelCardStatus must be given");
  card.updated = rooms.clock.Now();
  card.body.Set("User", call.actor.name);
  if (status != nullptr) card.body.Set("ModelCardStatus", *status);
  if (content == nullptr) {
    TRY(rooms.documents.Put(card));
    return ArnJson(rooms, card.name);
  }
  TRY(CheckContent(content->AsString()));
  card.body.Set("Content", *content);
  card.created = card.updated;
  ++card.number;
  TRY(rooms.documents.Add(card));  // another's update at this moment is a conflict
  return ArnJson(rooms, card.name);
}

bool HasStatus(const Call& call, const Document& card) {
  const std::string wanted = TextOf(call.fields, "ModelCardStatus");
  return wanted.empty() || wanted == TextOf(card.body, "ModelCardStatus");
}

base::Result<base::Json> List(Rooms& rooms, const Call& call) {
  std::map<std::string, base::Micros> created;
  std::map<std::string, Document> newest;
  for (Document& card : TRY(rooms.documents.List("card", ""))) {
    created.emplace(card.name, card.created);
    newest.insert_or_assign(card.name, std::move(card));
  }
  std::vector<Entry> entries;
  for (const auto& [name, card] : newest) {
    if (HasStatus(call, card))
      entries.push_back({created[name], name, 0, Summary(rooms, card, created[name])});
  }
  return PageOf(call.fields, std::move(entries), "ModelCardSummaries");
}

base::Result<base::Json> ListVersions(Rooms& rooms, const Call& call) {
  const Document newest = TRY(NewestCard(rooms, TRY(CardName(rooms, call))));
  std::vector<Entry> entries;
  for (const Document& card : TRY(rooms.documents.List("card", newest.name))) {
    if (!HasStatus(call, card)) continue;
    base::Json summary = Summary(rooms, card, card.created);
    summary.Set("ModelCardVersion", card.number);
    entries.push_back({card.created, card.name, card.number, std::move(summary)});
  }
  return PageOf(call.fields, std::move(entries), "ModelCardVersionSummaryList");
}

base::Result<base::Json> Delete(Rooms& rooms, const Call& call) {
  const Document card = TRY(NewestCard(rooms, TRY(CardName(rooms, call))));
  TRY(rooms.documents.Remove("card", card.name));
  return base::Json::MakeObject();
}

}  // namespace

base::Result<Document> NewestCard(Rooms& rooms, const std::string& name) {
  std::vector<Document> all = TRY(rooms.documents.List("card", name));
  if (name.empty() || all.empty()) return NoSuchCard(rooms, name);
  return std::move(all.back());
}

std::vector<Operation> CardOperations() {
  constexpr std::string_view kStatuses = "Draft|PendingReview|Approved|Archived";
  const Member name = {"ModelCardName", Kind::kArnOrName, true, 1, 256, ""};
  const Member status = {"ModelCardStatus", Kind::kText, false, 0, 63, kStatuses};
  const Member content = {"Content", Kind::kText, false, 0, 100'000, ""};
  const std::vector<Member> page = {
      {"CreationTimeAfter", Kind::kTime, false, 0, 0, ""},
      {"CreationTimeBefore", Kind::kTime, false, 0, 0, ""},
      {"MaxResults", Kind::kCount, false, 1, 100, ""},
      {"NextToken", Kind::kText, false, 0, 8192, ""},
      {"SortOrder", Kind::kText, false, 0, 63, "Ascending|Descending"},
      status};
  std::vector<Member> cards = page;
  cards.push_back({"NameContains", Kind::kText, false, 1, 63, ""});
  cards.push_back({"SortBy", Kind::kText, false, 0, 63, "Name|CreationTime"});
  std::vector<Member> versions = page;
  versions.push_back(name);
  versions.push_back({"SortBy", Kind::kText, false, 0, 63, "Version"});
  return {
      {"CreateModelCard",
       {{"ModelCardName", Kind::kName, true, 1, 63, ""},
        {"SecurityConfig", Kind::kObject, false, 0, 0, ""},
        {"Content", Kind::kText, true, 0, 100'000, ""},
        {"ModelCardStatus", Kind::kText, true, 0, 63, kStatuses},
        {"Tags", Kind::kList, false, 0, 50, ""}},
       Create},
      {"DescribeModelCard",
       {name,
        {"ModelCardVersion", Kind::kCount, false, 1, 1'000'000'000, ""},
        {"IncludedData", Kind::kText, false, 0, 63, "AllData|MetadataOnly"}},
       Describe},
      {"UpdateModelCard", {name, content, status}, Update},
      {"ListModelCards", cards, List},
      {"ListModelCardVersions", versions, ListVersions},
      {"DeleteModelCard", {name}, Delete},
  };
}

}  // namespace slipway::api::sagemaker
