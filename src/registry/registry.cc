// SPDX-License-Identifier: Apache-2.0
// A version's walk, the names: models, tags and aliases. Versions are in versions.cc, stages in
// transition.cc.
#include "registry/registry.h"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/status.h"
#include "events/actor.h"
#include "events/events.h"
#include "registry/names.h"
#include "registry/records.h"
#include "registry/state.h"
#include "storage/blobs.h"
#include "storage/database.h"

namespace slipway::registry {

void Describe(base::Schema& schema, RegistrySettings& settings) {
  schema.Add("registry.required_metadata", &settings.required_metadata,
             "What a version's run must have recorded before it may enter staging or production.");
  schema.AddJson(
      "registry.policy", &settings.policy,
      "Which gates guard which stage for which models: {roles, override, rules: [{models, "
      "stages, gates}]}; docs/gates.md.");
  schema.Add("registry.cache_folder", &settings.cache_folder,
             "Folder for local copies of versions, below the data folder unless absolute.");
  schema.Add("registry.scrub_interval", &settings.scrub_interval,
             "Pause between two checks of every version's bytes; 0 for none.", {0},
             {3650 * base::kDay});
  schema.Add("registry.scrub_mb_per_s", &settings.scrub_mb_per_s,
             "Most that such a check reads, in MB a second.", 1, 100'000);
}

std::string SubjectOf(const std::string& model) { return "model/" + model; }
std::string SubjectOf(const std::string& model, int64_t number) {
  return SubjectOf(model) + "/version/" + std::to_string(number);
}

base::Status Registry::State::Emit(storage::Transaction& transaction, std::string type,
                                   std::string subject, const events::Actor& actor,
                                   base::Json data) {
  events::Event event;
  event.type = std::move(type);
  event.subject = std::move(subject);
  event.actor = actor;
  event.data = std::move(data);
  return events.Append(transaction, std::move(event));
}

std::shared_ptr<std::mutex> Registry::State::LockOf(
    std::map<std::string, std::shared_ptr<std::mutex>>& locks, const std::string& key) {
  const std::lock_guard hold(mutex);
  std::shared_ptr<std::mutex>& lock = locks[key];
  if (!lock) lock = std::make_shared<std::mutex>();
  return lock;
}

Registry::Registry(storage::Database& database, storage::Blobs& blobs, events::EventLog& events,
                   base::Clock& clock, RegistrySettings settings)
    : state_(new State(database, blobs, events, clock, std::move(settings))) {}
Registry::~Registry() { Stop(); }

void Registry::AddGate(std::unique_ptr<Gate> gate) { state_->gates.push_back(std::move(gate)); }
void Registry::AddUse(FindUse find) { state_->uses.push_back(std::move(find)); }
std::string Registry::State::OtherUseOf(const std::string& model, int64_t number) const {
  for (const FindUse& find : uses) {
    if (std::string use = find(model, number); !use.empty()) return use;
  }
  return "";
}
void Registry::SetMetadataSource(std::shared_ptr<MetadataSource> source) {
  state_->metadata_source = std::move(source);
}

base::Result<Model> Registry::CreateModel(const std::string& name, const Tags& tags,
                                          const std::string& description,
                                          const events::Actor& actor) {
  TRY(CheckModelName(name));
  TRY(CheckTags(tags));
  Model model;
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    const base::Micros now = state_->clock.Now();
    const storage::Rows known =
        TRY(transaction.Query("SELECT deleted FROM registry_models WHERE name = $1", {name}));
    if (known.empty()) {
      TRY(transaction.Execute(
          "INSERT INTO registry_models (name, description, next_number, created, updated, deleted) "
          "VALUES ($1, $2, 1, $3, $3, 0)",
          {name, description, now}));
    } else if (known.front().Int(0) != 0) {  // its numbers go on where they stopped
      TRY(
          transaction.Execute("UPDATE registry_models SET deleted = 0, description = $2, created = "
                              "$3, updated = $3 WHERE name = $1",
                              {name, description, now}));
    } else {
      return base::AlreadyExists("model_exists",
                                 "Registered Model (name=" + name + ") already exists.");
    }
    for (const auto& [key, value] : tags) {
      TRY(transaction.Execute(
          "INSERT INTO registry_model_tags (model, key, value) VALUES ($1, $2, $3)",
          {name, key, value}));
    }
    TRY(state_->Emit(transaction, "model.created", SubjectOf(name), actor,
                     base::Json::MakeObject()));
    model = TRY(LoadModel(transaction, name));
    return {};
  }));
  return model;
}

base::Result<Model> Registry::GetModel(const std::string& name) {
  Model model;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    model = TRY(LoadModel(transaction, name));
    return {};
  }));
  return model;
}

base::Result<std::vector<Model>> Registry::ListModels() {
  std::vector<Model> models;
  TRY(state_->database.Read([&](storage::Transaction& transaction) -> base::Status {
    models = TRY(LoadModels(transaction));
    return {};
  }));
  return models;
}

base::Result<Model> Registry::UpdateModel(const std::string& name, const std::string& description,
                                          const events::Actor& actor) {
  Model model;
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadModel(transaction, name));
    TRY(transaction.Execute(
        "UPDATE registry_models SET description = $2, updated = $3 WHERE name = $1",
        {name, description, state_->clock.Now()}));
    TRY(state_->Emit(transaction, "model.updated", SubjectOf(name), actor,
                     base::Json::MakeObject({{"description", description}})));
    model = TRY(LoadModel(transaction, name));
    return {};
  }));
  return model;
}

base::Status Registry::SetModelTag(const std::string& name, const std::string& key,
                                   const std::string& value, const events::Actor& actor) {
  TRY(CheckTag(key, value));
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadModel(transaction, name));
    TRY(transaction.Execute(
        "INSERT INTO registry_model_tags (model, key, value) VALUES ($1, $2, $3) "
        "ON CONFLICT (model, key) DO UPDATE SET value = excluded.value",
        {name, key, value}));
    return state_->Emit(transaction, "model.tag_set", SubjectOf(name), actor,
                        base::Json::MakeObject({{"key", key}, {"value", value}}));
  });
}

base::Status Registry::DeleteModelTag(const std::string& name, const std::string& key,
                                      const events::Actor& actor) {
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadModel(transaction, name));
    const int64_t gone = TRY(transaction.Execute(
        "DELETE FROM registry_model_tags WHERE model = $1 AND key = $2", {name, key}));
    if (gone == 0) return {};
    return state_->Emit(transaction, "model.tag_deleted", SubjectOf(name), actor,
                        base::Json::MakeObject({{"key", key}}));
  });
}

base::Status Registry::SetAlias(const std::string& model, const std::string& alias, int64_t number,
                                const events::Actor& actor) {
  TRY(CheckAlias(alias));
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadModel(transaction, model));
    const Version version = TRY(LoadVersion(transaction, model, number));
    if (version.status != "READY") {
      return base::FailedPrecondition(
          "version_not_ready", "version " + std::to_string(number) + " of model '" + model +
                                   "' is " + version.status + ": an alias needs a READY one");
    }
    const storage::Rows former = TRY(transaction.Query(
        "SELECT number FROM registry_aliases WHERE model = $1 AND alias = $2", {model, alias}));
    TRY(transaction.Execute(
        "INSERT INTO registry_aliases (model, alias, number) VALUES ($1, $2, $3) "
        "ON CONFLICT (model, alias) DO UPDATE SET number = excluded.number",
        {model, alias, number}));
    base::Json data = base::Json::MakeObject({{"alias", alias}, {"version", number}});
    if (!former.empty()) data.Set("former_version", former.front().Int(0));
    return state_->Emit(transaction, "alias.set", SubjectOf(model, number), actor, std::move(data));
  });
}

base::Status Registry::DeleteAlias(const std::string& model, const std::string& alias,
                                   const events::Actor& actor) {
  return state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    TRY(LoadModel(transaction, model));
    const storage::Rows former = TRY(transaction.Query(
        "SELECT number FROM registry_aliases WHERE model = $1 AND alias = $2", {model, alias}));
    if (former.empty()) return {};  // MLflow's clients delete what may be gone already
    const int64_t number = former.front().Int(0);
    TRY(transaction.Execute("DELETE FROM registry_aliases WHERE model = $1 AND alias = $2",
                            {model, alias}));
    return state_->Emit(transaction, "alias.deleted", SubjectOf(model, number), actor,
                        base::Json::MakeObject({{"alias", alias}, {"version", number}}));
  });
}

base::Status Registry::DeleteModel(const std::string& name, const events::Actor& actor) {
  TRY(state_->database.Write([&](storage::Transaction& transaction) -> base::Status {
    const Model model = TRY(LoadModel(transaction, name));
    if (!model.aliases.empty()) {
      return base::FailedPrecondition(
          "model_in_use", "Registered Model '" + name + "' cannot be deleted: alias '" +
                              model.aliases.begin()->first + "' names one of its versions.");
    }
    base::Json numbers = base::Json::MakeArray();
    for (const Version& version :
         TRY(LoadVersions(transaction, {.model = name, .run_id = {}, .model_id = {}}))) {
      std::string use = UseOf(version);
      if (use.empty()) use = state_->OtherUseOf(name, version.number);
      if (!use.empty()) {
        return base::FailedPrecondition(
            "model_in_use", "Registered Model '" + name + "' cannot be deleted: version " +
                                std::to_string(version.number) + " is " + use + ".");
      }
      TRY(transaction.Execute(
          "INSERT INTO registry_unwanted_folders (folder) VALUES ($1) ON CONFLICT DO NOTHING",
          {version.Folder()}));
      numbers.Append(version.number);
    }
    for (const char* table :
         {"registry_versions", "registry_version_tags", "registry_model_tags", "registry_verdicts",
          "registry_damage", "registry_approvals", "registry_gate_runs"}) {
      TRY(transaction.Execute("DELETE FROM " + std::string(table) + " WHERE model = $1", {name}));
    }
    TRY(transaction.Execute("UPDATE registry_models SET deleted = 1 WHERE name = $1", {name}));
    return state_->Emit(transaction, "model.deleted", SubjectOf(name), actor,
                        base::Json::MakeObject({{"versions", std::move(numbers)}}));
  }));
  return state_->RemoveUnwantedFolders();
}

}  // namespace slipway::registry
