// SPDX-License-Identifier: Apache-2.0
// What the repository holds, and the steps of a change. Private to the room.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/json.h"
#include "repository/layout.h"
#include "repository/model_repository.h"
#include "repository/uploads.h"
#include "traffic/snapshot.h"

namespace slipway::repository {

using ModelPtr = std::shared_ptr<inference::LoadedModel>;

struct LoadedVersion {
  std::string key;  // of the pool; empty: an ensemble
  ModelPtr model;
  std::string signature;  // of what it was loaded from
};

// Where a model comes from.
struct Source {
  FoundModel found;
  std::string config;  // Triton's JSON of the load; empty: what stands beside the model
  std::string upload;  // folder of files that came with the load; empty: the model's own folder
};

// One unmanaged model: loaded, failed or only found.
struct Entry {
  Source source;
  VersionPolicy policy;
  std::map<int64_t, LoadedVersion> loaded;
  std::map<int64_t, std::string> failures;
  std::string error;            // of the model as a whole, such as an unreadable config.pbtxt
  std::set<std::string> steps;  // the models of an ensemble
  bool loading = false;
  bool put_away = false;  // by a caller, or not asked for yet (mode "explicit"): not to be loaded
  std::string seen;       // signature at the last look
  std::string tried;      // signature at the last attempt to load
  // An ensemble that failed when this many changes had been made: its models may be there after
  // more.
  std::optional<int64_t> failed_at;
};

struct ServedModels {
  std::map<std::string, std::shared_ptr<const traffic::ServedEndpoint>, std::less<>> models;
};

struct ModelRepository::State {
  State(Parts given, RepositorySettings settings_given, const std::string& data);

  // --- All of these with `changing` held.
  base::Status LoadSource(const std::string& name, Source source, const events::Actor& actor,
                          bool again);
  void TellFailure(const std::string& name, Source source, Entry next, const base::Status& status,
                   const events::Actor& actor);
  base::Status OpenVersions(const std::string& name, const Source& source,
                            const TritonConfig& config, bool again, Entry& next);
  base::Result<LoadedVersion> OpenVersion(const std::string& name, int64_t number,
                                          const Source& source, const TritonConfig& config);
  base::Result<ModelPtr> OpenEnsemble(const std::string& name, const TritonConfig& config);
  // The models of an ensemble, loaded from the folders where they are not yet.
  base::Status LoadSteps(const inference::ModelConfig& config, const events::Actor& actor);
  void Publish(const std::string& name, Entry next);
  // Makes room: failed loads of callers, whose files are gone.
  void ForgetFailed();
  base::Status UnloadOne(const std::string& name, const events::Actor& actor, bool put_away);
  // Names of loaded ensembles that use it.
  std::vector<std::string> UsersOf(const std::string& name) const;
  base::Result<Source> FindSource(const std::string& name) const;
  base::Result<Source> SourceOf(const LoadRequest& request);
  // One look at the folders. `first`: everything is new, and nothing is waited for.
  void Scan(bool first);
  void Look(const FoundModel& found, bool first);
  void ForgetGone(const std::set<std::string>& found, const std::set<std::string>& unreadable);

  base::Status CheckAllowed(const events::Actor& actor) const;
  base::Status CheckName(const std::string& name) const;
  // By a registered model or endpoint.
  base::Status CheckFree(const std::string& name) const;
  void WriteEvent(const std::string& type, const std::string& name, const events::Actor& actor,
                  base::Json data) const;
  void Watch();
  std::shared_ptr<const traffic::ServedEndpoint> Find(std::string_view name) const;
  // For index readers; a change of an entry.
  void Note(const std::string& name, const std::function<void(Entry&)>& change);

  const Parts parts;
  const RepositorySettings settings;
  Uploads uploads;
  traffic::Snapshot<ServedModels> served{std::make_shared<const ServedModels>()};
  std::mutex changing;  // one change at a time; held while a model loads
  int64_t epoch = 0;
  std::vector<std::string> opening;  // names whose load is under way, outermost first
  bool later = false;                // what is loaded is opened when it is first asked
  mutable std::mutex entries_mutex;  // writers hold `changing` too
  std::map<std::string, Entry> entries;
  std::mutex watch_mutex;
  std::condition_variable watch_changed;
  bool stopping = false;
  std::thread watcher;
};

// Reads config.pbtxt or the load's own configuration, and the labels it names.
base::Result<TritonConfig> ConfigOf(const Source& source);

}  // namespace slipway::repository
