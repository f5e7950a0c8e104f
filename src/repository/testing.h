// SPDX-License-Identifier: Apache-2.0
// For tests: a repository over a real database and folders, whose models are files that say by what
// they multiply ("times 3"), opened by a runtime named "onnx".
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "events/events.h"
#include "inference/model_pool.h"
#include "registry/registry.h"
#include "repository/model_repository.h"
#include "storage/blobs.h"
#include "storage/databases_testing.h"
#include "storage/folder_testing.h"
#include "traffic/endpoints.h"
#include "traffic/version_loader.h"

namespace slipway::repository {

inline const events::Actor kLocal = {"ada", "http 127.0.0.1:5"};
inline const events::Actor kRemote = {"eve", "http 10.0.0.9:5"};

class RepositoryHouse {
 public:
  RepositoryHouse();
  ~RepositoryHouse();
  // A repository with these settings, started.
  base::Status Start(RepositorySettings settings);
  void Write(const std::string& path, const std::string& text) const;  // below `folder`
  // The one number that the model gives for 1, or -1 when it is not served.
  double Ask(const std::string& name, int64_t version = 0) const;
  // A version of a registered model with these files; its endpoint's stable version; a new start of
  // the endpoints.
  int64_t Register(const std::string& model, const std::map<std::string, std::string>& files);
  base::Status Serve(const std::string& model, int64_t version);
  base::Status Restart();
  double AskEndpoint(const std::string& name) const;
  std::vector<std::string> LoadedKeys() const { return pool_.Loaded(); }
  std::string Index() const;  // "a/1 READY, b/0 UNAVAILABLE"
  std::vector<events::Event> Events() const;

  storage::TestFolder folder;
  std::unique_ptr<ModelRepository> repository;

 private:
  static double AskModel(inference::LoadedModel& model);

  storage::TestFolder data_;
  storage::TestDatabase database_{"sqlite"};
  base::DrivenClock clock_{1'000'000};
  base::Metrics metrics_;
  events::EventLog events_{*database_, clock_};
  std::unique_ptr<storage::Blobs> blobs_;
  std::unique_ptr<registry::Registry> registry_;
  inference::ModelPool pool_;
  std::unique_ptr<traffic::VersionLoader> loader_;
  std::unique_ptr<traffic::Endpoints> endpoints_;
  int registered_ = 0;

 public:
  registry::Registry& registry() { return *registry_; }
};

}  // namespace slipway::repository
