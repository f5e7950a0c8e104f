// SPDX-License-Identifier: Apache-2.0
// ModelRepository: models that are served without the registry: from folders (`slipway serve
// --models DIR`) and loaded by callers, with a configuration and files of theirs. They are
// *unmanaged*: no gates, no stages, never production; every answer and every record of theirs says
// so (arm "unmanaged"). They do not outlive the process; those of folders are found again.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/config.h"
#include "base/metrics.h"
#include "base/status.h"
#include "events/events.h"
#include "inference/model_pool.h"
#include "registry/registry.h"
#include "repository/triton_config.h"
#include "storage/database.h"
#include "traffic/endpoints.h"

namespace slipway::repository {

inline constexpr size_t kMaxModels = 2000;
inline constexpr size_t kMaxVersionsLoaded = 64;  // of one model
inline constexpr size_t kMaxFiles = 1000;         // of one load with files

struct RepositorySettings {
  std::vector<std::string> models;         // folders
  std::string mode = "poll";               // "poll" | "explicit" | "none"
  base::Duration poll{2 * base::kSecond};  // 0: folders are read at start only
  std::vector<std::string> load;           // of mode "explicit": names that are loaded at start
  std::string unmanaged = "loopback";      // "allow" | "loopback" | "refuse": who may load
  int64_t max_upload_mb = 1024;            // of the files of one load
};
void Describe(base::Schema& schema, RepositorySettings& settings);

enum class ModelState { kReady, kLoading, kUnavailable };
std::string_view StateName(ModelState state);  // "READY", "LOADING", "UNAVAILABLE"

struct IndexEntry {
  std::string name;
  int64_t version = 0;  // 0: no version of it is known
  ModelState state = ModelState::kUnavailable;
  std::string reason;  // why it is not READY; empty for one that merely is not loaded
  bool managed = false;
};

struct LoadRequest {
  std::string name;
  std::string config;  // Triton's JSON; empty: what stands in the model's folder
  // "1/model.onnx" (or "file:1/model.onnx") -> bytes. Not empty: these are the model, whatever a
  // folder has under that name.
  std::map<std::string, std::string> files;
  events::Actor actor;
};

// Thread-safe.
class ModelRepository {
 public:
  struct Parts {
    storage::Database& database;
    events::EventLog& events;
    base::Clock& clock;
    registry::Registry& registry;
    inference::ModelPool& pool;
    traffic::Endpoints& endpoints;
    bool on_demand = false;  // a folder's models are opened when they are first asked
  };
  // `data`: the server's data folder; files of loads lie below its "unmanaged".
  ModelRepository(Parts parts, RepositorySettings settings, const std::string& data);
  ~ModelRepository();  // Stop()
  // Removes the files of an earlier process, loads what the folders have and begins to watch them.
  // A model that does not load is in the index with its reason; only a setting that cannot hold is
  // an error.
  base::Status Start();
  void Stop();  // watches no more; what is loaded goes on. Idempotent.

  // Every version of every endpoint (managed) and of every unmanaged model that is loaded, failed,
  // or found in a folder; by name, then version. `ready_only` leaves the others out.
  [[nodiscard]] std::vector<IndexEntry> Index(bool ready_only = false) const;
  // Loads, or loads again, and replaces what is served without failing a request; blocks. Errors
  // leave what was served as it is: kPermissionDenied (reason "unmanaged_refused"), kAlreadyExists
  // ("name_taken": by a registered model or endpoint), kNotFound ("model_not_found"),
  // kInvalidArgument (fields "name", "config...", "file:..."), kResourceExhausted
  // ("too_many_files", "files_too_large", "too_many_models"), and what loading says.
  base::Status Load(const LoadRequest& request);
  // Requests in flight finish. kNotFound ("model_not_loaded"), kFailedPrecondition ("model_in_use":
  // an ensemble needs it; "model_managed": of a registered one), kPermissionDenied. With
  // `unload_dependents` the models of an ensemble go too, those that no other ensemble needs. A
  // folder's model stays unloaded until somebody loads it.
  base::Status Unload(const std::string& name, bool unload_dependents, const events::Actor& actor);

  // Never block. The newest loaded version is the first arm; all arms are named "unmanaged".
  [[nodiscard]] std::shared_ptr<const traffic::ServedEndpoint> Find(std::string_view name) const;
  [[nodiscard]] std::shared_ptr<inference::LoadedModel> FindVersion(const std::string& name,
                                                                    int64_t version) const;
  [[nodiscard]] std::vector<std::string> Names() const;  // loaded, sorted
  // Of a model that is not loaded: the default.
  [[nodiscard]] VersionPolicy PolicyOf(std::string_view name) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::repository
