// SPDX-License-Identifier: Apache-2.0
// What the registry's source files share: its collaborators, the locks of promotions, and how an
// event is written.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "registry/records.h"
#include "registry/registry.h"

namespace slipway::registry {

struct Registry::State {
  storage::Database& database;
  storage::Blobs& blobs;
  events::EventLog& events;
  base::Clock& clock;
  RegistrySettings settings;
  std::vector<std::unique_ptr<Gate>> gates;
  std::shared_ptr<MetadataSource> metadata_source;
  std::vector<FindUse> uses;

  std::mutex mutex;                                                     // guards what follows
  std::map<std::string, std::shared_ptr<std::mutex>> transition_locks;  // by model
  std::map<std::string, std::shared_ptr<std::mutex>> copy_locks;  // by folder of the local copy
  std::set<std::string> checked_copies;  // folders whose bytes this process has verified

  base::Status Emit(storage::Transaction& transaction, std::string type, std::string subject,
                    const events::Actor& actor, base::Json data);
  std::shared_ptr<std::mutex> LockOf(std::map<std::string, std::shared_ptr<std::mutex>>& locks,
                                     const std::string& key);

  // Copies what the plan says, then marks the version READY; on failure FAILED_REGISTRATION, and
  // its files go.
  base::Status FinishVersion(const std::string& model, int64_t number, const events::Actor& actor);
  base::Result<std::vector<ManifestFile>> CopyFiles(const Version& version,
                                                    const std::vector<FileCopy>& plan);
  base::Status MarkFailed(const Version& version, const base::Status& why,
                          const events::Actor& actor);
  base::Status RemoveUnwantedFolders();

  // Why somebody else needs the version; empty when nobody does.
  std::string OtherUseOf(const std::string& model, int64_t number) const;
  base::Status RecordDamage(const Version& version, const std::vector<Damage>& damage);

  // The version as the gates are to see it: with its run's newest metadata while that is not
  // frozen.
  base::Result<Version> LoadForGates(const std::string& model, int64_t number,
                                     std::optional<Version>& production);
  std::vector<Verdict> CheckGates(const Version& version, Stage to,
                                  const std::optional<Version>& production);
  base::Result<TransitionOutcome> TryTransition(const TransitionRequest& request);
  base::Status Refuse(const TransitionRequest& request, const Version& version,
                      const std::vector<Verdict>& verdicts);
  base::Status Move(storage::Transaction& transaction, const TransitionRequest& request,
                    const Version& seen, const std::optional<Version>& production,
                    TransitionOutcome& outcome);
  base::Status ArchiveOthers(storage::Transaction& transaction, const TransitionRequest& request,
                             base::Micros now, std::vector<int64_t>& archived);
};

std::string SubjectOf(const std::string& model);
std::string SubjectOf(const std::string& model, int64_t number);

}  // namespace slipway::registry
