// SPDX-License-Identifier: Apache-2.0
// What the operations share: the rooms they call, one decoded request, ARNs, pages.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/sagemaker/documents.h"
#include "api/sagemaker/sagemaker.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "registry/registry.h"
#include "storage/blobs.h"

namespace slipway::api::sagemaker {

struct Rooms {
  registry::Registry& registry;
  storage::Blobs& blobs;
  const base::Clock& clock;
  Documents documents;
  SageMakerSettings settings;
  std::mutex creating;  // held while a package is made: one client token, one package
};

struct Call {
  base::Json fields;
  events::Actor actor;
};

using Handler = base::Result<base::Json> (*)(Rooms&, const Call&);

enum class Kind { kText, kName, kArnOrName, kPackage, kTime, kCount, kFlag, kObject, kList, kMap };

// One member of an operation's input, after botocore's service model of SageMaker.
struct Member {
  std::string_view name;
  Kind kind = Kind::kText;
  bool required = false;
  size_t least = 0;          // characters, items, or the number itself
  size_t most = 1'000'000;   // the same
  std::string_view choices;  // separated by '|'; empty: any
};

struct Operation {
  std::string_view name;
  std::vector<Member> members;
  Handler handler;
};

// kInvalidArgument in AWS's words naming the member.
base::Status CheckInput(const Operation& operation, const base::Json& fields);
base::Status Invalid(std::string_view member, const std::string& what);

std::string TextOf(const base::Json& fields, std::string_view name);  // empty when absent
std::string Arn(const Rooms& rooms, std::string_view type, const std::string& rest);
// The name in an ARN of that type, or the text itself when it is none.
base::Result<std::string> NameOf(const Rooms& rooms, const std::string& text,
                                 std::string_view type);
base::Json Seconds(base::Micros time);
base::Json UserJson(const std::string& user);
// [{"Key","Value"}] -> tags; refuses what is not that.
base::Result<registry::Tags> TagsOf(const base::Json& fields, std::string_view member);
base::Json TagsJson(const registry::Tags& tags);

// One thing of a list, with what lists filter and sort by.
struct Entry {
  base::Micros created = 0;
  std::string name;
  int64_t number = 0;
  base::Json summary;
};
// CreationTimeAfter/Before, NameContains, SortBy, SortOrder, MaxResults and NextToken of `fields`.
base::Result<base::Json> PageOf(const base::Json& fields, std::vector<Entry> entries,
                                std::string_view list_name);

std::vector<Operation> GroupOperations();
std::vector<Operation> PackageOperations();
std::vector<Operation> CardOperations();

// The answer to ListTags and the like of a card.
base::Result<Document> NewestCard(Rooms& rooms, const std::string& name);
base::Result<registry::Model> GroupOf(Rooms& rooms, const std::string& name);

}  // namespace slipway::api::sagemaker
