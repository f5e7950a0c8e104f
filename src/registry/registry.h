// SPDX-License-Identifier: Apache-2.0
// Registry: models, their immutable versions, stages, aliases, and the gates that guard each stage.
// A version's files are copied once, at creation, to `models/<model>/v<number>/` with a manifest of
// SHA-256; from READY on nothing can change them. Numbers rise by one and are never given twice,
// also not after a deletion. Thread-safe; calls block (database, blobs). Errors: kNotFound
// (model_not_found, version_not_found, alias_not_found), kAlreadyExists (model_exists),
// kInvalidArgument, kFailedPrecondition (gate_failed, version_not_ready, version_in_use,
// model_in_use, source_empty), kAborted (changed_meanwhile). Events: model.created, .updated,
// .deleted; version.created, .ready, .failed, .updated, .deleted, .stage_changed, .gate_refused;
// .damaged, .intact, .approved, .tag_set, .tag_deleted; model.tag_set, .tag_deleted;
// gate.overridden, .revoked; gates.judged, .policy_changed; alias.set, alias.deleted.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/json.h"
#include "base/status.h"
#include "events/events.h"
#include "storage/blobs.h"
#include "storage/database.h"

namespace slipway::registry {

enum class Stage { kNone, kStaging, kProduction, kArchived };
std::string_view StageName(
    Stage stage);  // MLflow's spelling: "None", "Staging", "Production", "Archived"
base::Result<Stage> ParseStage(std::string_view name);  // any case

using Tags = std::map<std::string, std::string>;

struct ManifestFile {
  std::string path;  // relative to the version's folder
  int64_t size_bytes = 0;
  std::string sha256;
};

struct Version {
  std::string model;
  int64_t number = 0;
  Stage stage = Stage::kNone;
  std::string status;  // "PENDING_REGISTRATION", "READY", "FAILED_REGISTRATION"
  std::string status_message;
  std::string source;  // as the client gave it: "runs:/...", "models:/m-...", a URI
  std::string run_id;
  std::string model_id;  // MLflow 3 logged model
  std::string run_link;
  std::string description;
  std::string user;
  base::Micros created = 0;
  base::Micros updated = 0;
  Tags tags;
  std::vector<std::string> aliases;
  std::vector<ManifestFile> files;
  // What the required-metadata gate asks for:
  // {"dataset_hash","dataset":{"name","source","digest","context"},"git_sha",
  // "training_duration_s","params":{},"metrics":{}}. Follows the run until the version first enters
  // a guarded stage.
  base::Json metadata;
  bool metadata_frozen = false;
  [[nodiscard]] std::string Folder() const;  // blob folder: "models/<model>/v<number>"
  [[nodiscard]] std::string Digest() const;  // SHA-256 over the manifest: the version's content
};

struct Model {
  std::string name;
  std::string description;
  base::Micros created = 0;
  base::Micros updated = 0;
  Tags tags;
  std::map<std::string, int64_t> aliases;
};

// --- Gates
// -------------------------------------------------------------------------------------------------------------------
enum class Outcome { kPass, kFail, kNotRun };

struct Verdict {
  std::string gate;
  Outcome outcome = Outcome::kNotRun;
  std::string summary;  // one sentence for a person; on failure what is missing and how to send it
  base::Json evidence;  // numbers, file names, diffs
  base::Micros took = 0;
  bool overridden = false;  // somebody who may has set this failure aside
};
// {"gate","outcome":"pass|fail|not_run","summary","evidence","took_ms","overridden"}
base::Json ToJson(const Verdict& verdict);
std::string_view OutcomeName(Outcome outcome);

class GatePolicy;
struct GateRun;
struct Word;

struct GateContext {
  const Version& version;
  Stage to;
  std::optional<Version> production;              // the model's production version now, if any
  base::Json options = base::Json::MakeObject();  // as the policy says; checked by CheckOptions
  const GatePolicy* policy = nullptr;
};

// The seam: one file per gate, one row in app/assembly.cc. Thread-safe. A gate never changes
// anything.
class Gate {
 public:
  virtual ~Gate() = default;
  [[nodiscard]] virtual std::string_view name() const = 0;
  // Which stages it guards by default (the policy may say otherwise).
  [[nodiscard]] virtual bool Guards(Stage stage) const = 0;
  [[nodiscard]] virtual std::string_view help() const { return ""; }  // one sentence, its options
  // Of the policy: kInvalidArgument naming the option and what was expected.
  [[nodiscard]] virtual base::Status CheckOptions(const base::Json& options) const {
    return base::RequireOnly(options, {});
  }
  virtual Verdict Check(const GateContext& context) = 0;
};

// Where a version's metadata comes from while it is not frozen: the run's record (tracking, in the
// product). Thread-safe.
class MetadataSource {
 public:
  virtual ~MetadataSource() = default;
  // kNotFound when the version has no run any more: the metadata kept so far stays.
  virtual base::Result<base::Json> MetadataOf(const std::string& run_id,
                                              const std::string& model_id) = 0;
};

struct TransitionRequest {
  std::string model;
  int64_t version = 0;
  Stage to = Stage::kStaging;
  bool archive_existing = true;  // production always holds exactly one version
  bool force = false;  // let in although gates fail; needs `reason`; written into the event
  std::string reason;
  events::Actor actor;
};
struct TransitionOutcome {
  Version version;
  std::vector<Verdict> verdicts;
  std::vector<int64_t> archived;  // versions that left the stage
};

struct CreateVersionRequest {
  std::string model;
  std::string source;
  std::string source_folder;  // blob folder to copy from, resolved by the caller from `source`
  std::vector<std::pair<std::string, std::string>>
      extra_folders;  // (blob folder, path in the version): the run's "golden"
  std::string run_id;
  std::string model_id;
  std::string run_link;
  std::string description;
  Tags tags;
  base::Json metadata;
  events::Actor actor;
};

struct RegistrySettings {
  std::vector<std::string> required_metadata = {"dataset_hash", "params", "metrics", "git_sha",
                                                "training_duration_s"};
  std::string cache_folder =
      "cache/models";  // local copies of versions, for runtimes that open files by path
  base::Duration scrub_interval{24 * base::kHour};  // 0: never
  int64_t scrub_mb_per_s = 50;
  base::Json policy;  // of gates: registry/policy.h
};
void Describe(base::Schema& schema, RegistrySettings& settings);

// Which versions; every field that is set must match. Numbers rising within a model, models by
// name.
struct VersionQuery {
  std::optional<std::string> model;
  std::optional<std::string> run_id;
  std::optional<std::string> model_id;
};

struct Damage {
  std::string model;
  int64_t number = 0;
  std::string path;
  std::string difference;  // "is missing", "has SHA-256 ... instead of ..."
  base::Micros found = 0;
};
struct Integrity {
  int64_t versions = 0;
  int64_t files = 0;
  int64_t size_bytes = 0;
  std::vector<Damage> damage;
};
base::Json ToJson(const Integrity& integrity);

class Registry {
 public:
  Registry(storage::Database& database, storage::Blobs& blobs, events::EventLog& events,
           base::Clock& clock, RegistrySettings settings);
  ~Registry();
  void AddGate(std::unique_ptr<Gate> gate);  // before the first request
  // Who else uses versions: "served by endpoint 'x'", or empty. Before the first request; called
  // outside of transactions, blocks no longer than a lock.
  using FindUse = std::function<std::string(const std::string& model, int64_t number)>;
  void AddUse(FindUse find);
  void SetMetadataSource(std::shared_ptr<MetadataSource> source);  // before the first request
  // Reads the policy (kInvalidArgument naming what is wrong in it) and finishes or fails what a
  // crash left half-done: versions still PENDING, files of deleted versions. Once, before requests.
  base::Status Start();
  void Stop();  // waits for the gates that judge in the background. Idempotent.

  base::Result<Model> CreateModel(const std::string& name, const Tags& tags,
                                  const std::string& description, const events::Actor& actor);
  base::Result<Model> GetModel(const std::string& name);
  base::Result<std::vector<Model>> ListModels();
  base::Result<Model> UpdateModel(const std::string& name, const std::string& description,
                                  const events::Actor& actor);
  base::Status SetModelTag(const std::string& name, const std::string& key,
                           const std::string& value, const events::Actor& actor);
  base::Status DeleteModelTag(const std::string& name, const std::string& key,
                              const events::Actor& actor);
  // Refused while one of its versions may not be deleted.
  base::Status DeleteModel(const std::string& name, const events::Actor& actor);

  // Copies the files, then the version is READY; a failure leaves it FAILED_REGISTRATION without
  // files.
  base::Result<Version> CreateVersion(const CreateVersionRequest& request);
  base::Result<Version> GetVersion(const std::string& model, int64_t number);
  base::Result<Version> GetByAlias(const std::string& model, const std::string& alias);
  base::Result<std::vector<Version>> ListVersions(const std::string& model);  // numbers rising
  base::Result<std::vector<Version>> FindVersions(const VersionQuery& query);
  base::Result<Version> UpdateVersion(const std::string& model, int64_t number,
                                      const std::string& description, const events::Actor& actor);
  base::Status SetVersionTag(const std::string& model, int64_t number, const std::string& key,
                             const std::string& value, const events::Actor& actor);
  base::Status DeleteVersionTag(const std::string& model, int64_t number, const std::string& key,
                                const events::Actor& actor);
  // Refused while an alias names it, it is in staging or production, or somebody else says that it
  // is in use.
  base::Status DeleteVersion(const std::string& model, int64_t number, const events::Actor& actor);
  base::Result<std::optional<Version>> InStage(const std::string& model,
                                               Stage stage);  // the newest one there
  // Changes nothing.
  base::Result<std::vector<Verdict>> RunGates(const std::string& model, int64_t number, Stage to);
  // The same on a thread of its own, recorded with its progress and in the end with event
  // gates.judged. kResourceExhausted past kMostGateRuns at a time.
  base::Result<GateRun> StartGateRun(const std::string& model, int64_t number, Stage to,
                                     const events::Actor& actor);
  base::Result<GateRun> GetGateRun(int64_t id);
  base::Result<std::vector<GateRun>> GateRuns(const std::string& model, int64_t number,
                                              int64_t limit);  // newest first
  [[nodiscard]] base::Json GatesJson() const;                  // [{"gate","guards","help"}]
  // {"version","origin","policy","text","versions":[{"version","time","actor","reason","policy"}]}
  base::Result<base::Json> PolicyJson();
  // A policy in YAML (or JSON): kInvalidArgument whose message begins with "name:line:column".
  base::Status CheckPolicy(const std::string& text, const std::string& name);
  // Replaces the policy at once, in every replica; without a text by what the settings say. Only by
  // who may override, and with actor.reason. kAborted (reason "policy_changed") when `expected` is
  // set and is not the version that there is. What PolicyJson gives.
  base::Result<base::Json> ApplyPolicy(const std::optional<std::string>& text,
                                       const std::string& name, std::optional<int64_t> expected,
                                       const events::Actor& actor);
  // An approval, or an override of one gate, of a version for a stage; kPermissionDenied (reason
  // "may_not_override") when the policy lets others only. id, actor and created are filled in.
  base::Result<Word> Say(Word word, const events::Actor& actor);
  base::Status Revoke(const std::string& model, int64_t number, int64_t id,
                      const events::Actor& actor);
  base::Result<std::vector<Word>> Words(const std::string& model, int64_t number);
  // The newest recorded verdict of each gate, in the order of the gates' names.
  base::Result<std::vector<Verdict>> RecordedVerdicts(const std::string& model, int64_t number);
  // One transaction: verdicts, stage, archiving, event. A failed gate is kFailedPrecondition
  // (reason "gate_failed") whose message lists each failing gate's summary; the verdicts are
  // recorded all the same. Production holds one version at most, always.
  base::Result<TransitionOutcome> Transition(const TransitionRequest& request);
  base::Status SetAlias(const std::string& model, const std::string& alias, int64_t number,
                        const events::Actor& actor);
  base::Status DeleteAlias(const std::string& model, const std::string& alias,
                           const events::Actor& actor);
  // Why what a version in use was made from may not be deleted: "version 3 of model 'x' comes from
  // it, which is in Production"; empty when it may. One of the two ids may be empty.
  base::Result<std::string> UseOfSource(storage::Transaction& transaction,
                                        const std::string& run_id, const std::string& model_id);
  // Reads every file of the versions again and compares it with the manifest. What differs is
  // written down (table registry_damage) with event version.damaged, once; what is right again with
  // version.intact. `go_on` is asked before each file: false ends the check early.
  base::Result<Integrity> Verify(const VersionQuery& query, std::optional<int64_t> number = {},
                                 const std::function<bool(const ManifestFile&)>& go_on = {});
  base::Result<std::vector<Damage>> KnownDamage();
  // A file of a READY version. With `checked` it is first read whole: kDataLoss (reason
  // "file_differs") instead of bytes that are not those that were registered.
  base::Result<std::unique_ptr<storage::BlobReader>> OpenFile(const std::string& model,
                                                              int64_t number,
                                                              const std::string& path,
                                                              bool checked);
  // A local copy of the version's files, made once and checked against the manifest: kDataLoss
  // naming the file that differs.
  base::Result<std::string> Materialize(const Version& version);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::registry
