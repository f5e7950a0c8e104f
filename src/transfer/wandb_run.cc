// SPDX-License-Identifier: Apache-2.0
// From wandb's records (wandb_internal.proto) to a run as tracking keeps it.
#include "transfer/wandb_run.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/json.h"
#include "base/status.h"
#include "tracking/import.h"
#include "tracking/tracking.h"
#include "transfer/wandb_log.h"

namespace slipway::transfer {
namespace {

using base::Json;

// Field numbers of wandb_internal.proto.
namespace record {
constexpr uint32_t kHistory = 2, kSummary = 3, kConfig = 5, kArtifact = 8, kRun = 17, kExit = 18;
}
namespace item {
constexpr uint32_t kKey = 1, kNestedKey = 2, kValue = 16;
}

// Nothing of what is no number: media, tables, texts.
std::optional<double> NumberOf(const Json& value) {
  if (value.is_number()) return value.AsDouble();
  if (value.is_bool()) return value.AsBool() ? 1 : 0;
  if (!value.is_string()) return std::nullopt;
  const std::string& text = value.AsString();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  return std::nullopt;
}

struct Item {
  std::string key;
  Json value;
};

base::Result<Item> ReadItem(std::string_view message) {
  Item one;
  for (const ProtoField& field : TRY(ReadProto(message))) {
    if (field.number == item::kKey) one.key = std::string(field.bytes);
    if (field.number == item::kNestedKey)
      one.key += (one.key.empty() ? "" : ".") + std::string(field.bytes);
    if (field.number != item::kValue) continue;
    // Python writes NaN and Infinity, which JSON lacks.
    if (field.bytes == "NaN" || field.bytes.ends_with("Infinity")) {
      one.value = Json(field.bytes);
    } else if (base::Result<Json> value = Json::Parse(field.bytes); value.ok()) {
      one.value = std::move(value).TakeValue();
    }
  }
  return one;
}

class Builder {
 public:
  base::Status Add(std::string_view message) {
    for (const ProtoField& field : TRY(ReadProto(message))) {
      switch (field.number) {
        case record::kHistory:
          TRY(AddHistory(field.bytes));
          break;
        case record::kSummary:
          TRY(AddSummary(field.bytes));
          break;
        case record::kConfig:
          TRY(AddConfig(field.bytes));
          break;
        case record::kArtifact:
          TRY(AddArtifact(field.bytes));
          break;
        case record::kRun:
          TRY(AddRun(field.bytes));
          break;
        case record::kExit:
          TRY(AddExit(field.bytes));
          break;
        default:
          break;
      }
    }
    return {};
  }

  base::Result<WandbRun> Finish() {
    if (id_.empty()) {
      return base::InvalidArgument("file", "no record names the run: it is empty or damaged",
                                   "no_run");
    }
    tracking::RunInfo& info = result_.run.run.info;
    info.run_id =
        base::Sha256Hex("wandb/" + entity_ + "/" + result_.project + "/" + id_).substr(0, 32);
    if (info.name.empty()) info.name = id_;
    if (exit_code_) {
      info.status = *exit_code_ == 0 ? "FINISHED" : "FAILED";
    } else {
      info.status = "KILLED";  // a run that ends says so
    }
    info.end_ms = runtime_s_ > 0 ? info.start_ms + runtime_s_ * 1000 : last_ms_;
    AddFinals();
    for (const auto& [key, value] : config_)
      result_.run.run.params.push_back({key, value.is_string() ? value.AsString() : value.Dump()});
    Tag("wandb.run_id", id_);
    Tag("mlflow.runName", info.name);
    return std::move(result_);
  }

 private:
  void Tag(const std::string& key, const std::string& value) {
    if (!value.empty()) result_.run.run.tags[key] = value;
  }

  base::Status AddRun(std::string_view message) {
    static const std::map<uint32_t, const char*> kTags = {{6, "wandb.group"},
                                                          {7, "wandb.job_type"},
                                                          {9, "mlflow.note.content"},
                                                          {12, "wandb.sweep_id"},
                                                          {13, "wandb.host"}};
    const std::map<uint32_t, std::string*> texts = {
        {1, &id_}, {2, &entity_}, {3, &result_.project}, {8, &result_.run.run.info.name}};
    Json labels = Json::MakeArray();
    for (const ProtoField& field : TRY(ReadProto(message))) {
      if (const auto text = texts.find(field.number); text != texts.end())
        *text->second = std::string(field.bytes);
      if (const auto tag = kTags.find(field.number); tag != kTags.end())
        Tag(tag->second, std::string(field.bytes));
      if (field.number == 4) TRY(AddConfig(field.bytes));
      if (field.number == 10) labels.Append(field.bytes);
      if (field.number == 17) TRY(AddStart(field.bytes));
      if (field.number == 21) TRY(AddGit(field.bytes));
    }
    if (!labels.AsArray().empty()) Tag("wandb.tags", labels.Dump());
    return {};
  }

  base::Status AddStart(std::string_view timestamp) {
    int64_t seconds = 0;
    int64_t nanos = 0;
    for (const ProtoField& field : TRY(ReadProto(timestamp)))
      (field.number == 1 ? seconds : nanos) = static_cast<int64_t>(field.value);
    result_.run.run.info.start_ms = seconds * 1000 + nanos / 1'000'000;
    return {};
  }

  base::Status AddGit(std::string_view message) {
    for (const ProtoField& field : TRY(ReadProto(message)))
      Tag(field.number == 1 ? "mlflow.source.git.repoURL" : "mlflow.source.git.commit",
          std::string(field.bytes));
    return {};
  }

  base::Status AddExit(std::string_view message) {
    exit_code_ = 0;
    for (const ProtoField& field : TRY(ReadProto(message))) {
      if (field.number == 1) exit_code_ = static_cast<int64_t>(field.value);
      if (field.number == 2) runtime_s_ = static_cast<int64_t>(field.value);
    }
    return {};
  }

  base::Status AddConfig(std::string_view message) {
    for (const ProtoField& field : TRY(ReadProto(message))) {
      Item one = TRY(ReadItem(field.bytes));
      if (one.key.empty() || one.key.starts_with("_wandb")) continue;
      if (field.number == 1) Flatten(one.key, one.value);
      if (field.number == 2) config_.erase(one.key);
    }
    return {};
  }

  void Flatten(const std::string& key, const Json& value) {
    if (!value.is_object() || value.AsObject().empty()) {
      config_[key] = value;
      return;
    }
    for (const auto& [name, inner] : value.AsObject()) Flatten(key + "." + name, inner);
  }

  base::Status AddHistory(std::string_view message) {
    std::vector<std::pair<std::string, double>> values;
    int64_t step = 0;
    double seconds = 0;
    for (const ProtoField& field : TRY(ReadProto(message))) {
      if (field.number == 2) {
        for (const ProtoField& part : TRY(ReadProto(field.bytes)))
          if (part.number == 1) step = static_cast<int64_t>(part.value);
      }
      if (field.number != 1) continue;
      const Item one = TRY(ReadItem(field.bytes));
      const std::optional<double> number = NumberOf(one.value);
      if (!number) continue;
      if (one.key == "_step") step = static_cast<int64_t>(*number);
      if (one.key == "_timestamp") seconds = *number;
      if (!one.key.starts_with('_')) values.emplace_back(one.key, *number);
    }
    last_ms_ = seconds > 0 ? static_cast<int64_t>(seconds * 1000) : result_.run.run.info.start_ms;
    last_step_ = step;
    for (const auto& [key, value] : values) {
      result_.run.history.push_back({key, value, *last_ms_, step, {}, {}, {}});
      logged_.insert(key);
    }
    return {};
  }

  base::Status AddSummary(std::string_view message) {
    for (const ProtoField& field : TRY(ReadProto(message))) {
      const Item one = TRY(ReadItem(field.bytes));
      if (field.number == 2) summary_.erase(one.key);
      if (field.number != 1) continue;
      const std::optional<double> number = NumberOf(one.value);
      if (number && !one.key.starts_with('_')) summary_[one.key] = *number;
    }
    return {};
  }

  // What only the summary holds is a metric of the last step.
  void AddFinals() {
    for (const auto& [key, value] : summary_) {
      if (logged_.contains(key)) continue;
      result_.run.history.push_back(
          {key, value, last_ms_.value_or(result_.run.run.info.start_ms), last_step_, {}, {}, {}});
    }
  }

  base::Status AddArtifact(std::string_view message) {
    WandbArtifact artifact;
    for (const ProtoField& field : TRY(ReadProto(message))) {
      const std::string text(field.bytes);
      if (field.number == 4) artifact.type = text;
      if (field.number == 5) artifact.name = text;
      if (field.number == 7) artifact.description = text;
      if (field.number == 11) artifact.aliases.push_back(text);
      if (field.number == 12) TRY(AddManifest(field.bytes, artifact));
    }
    if (!artifact.name.empty()) result_.artifacts.push_back(std::move(artifact));
    return {};
  }

  static base::Status AddManifest(std::string_view message, WandbArtifact& artifact) {
    for (const ProtoField& field : TRY(ReadProto(message))) {
      if (field.number != 4) continue;
      WandbFile file;
      for (const ProtoField& part : TRY(ReadProto(field.bytes))) {
        if (part.number == 1) file.path = std::string(part.bytes);
        if (part.number == 2) file.md5 = std::string(part.bytes);
        if (part.number == 6) file.local_path = std::string(part.bytes);
      }
      artifact.files.push_back(std::move(file));
    }
    return {};
  }

  WandbRun result_;
  std::string id_;
  std::string entity_;
  std::map<std::string, Json> config_;
  std::map<std::string, double> summary_;
  std::set<std::string> logged_;
  std::optional<int64_t> exit_code_;
  int64_t runtime_s_ = 0;
  std::optional<int64_t> last_ms_;
  int64_t last_step_ = 0;
};

}  // namespace

base::Result<WandbRun> ReadWandbRun(std::string_view bytes) {
  const WandbRecords log = TRY(ReadWandbLog(bytes));
  Builder builder;
  for (const std::string& message : log.records) TRY(builder.Add(message));
  WandbRun run = TRY(builder.Finish());
  run.records = static_cast<int64_t>(log.records.size());
  run.damaged_blocks = log.damaged_blocks;
  run.cut_off = log.cut_off;
  return run;
}

}  // namespace slipway::transfer
