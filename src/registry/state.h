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
#include <thread>
#include <utility>
#include <vector>

#include "registry/approvals.h"
#include "registry/gate_runs.h"
#include "registry/policy.h"
#include "registry/records.h"
#include "registry/registry.h"

namespace slipway::registry {

struct Registry::State {
  State(storage::Database& database_in, storage::Blobs& blobs_in, events::EventLog& events_in,
        base::Clock& clock_in, RegistrySettings settings_in)
      : database(database_in),
        blobs(blobs_in),
        events(events_in),
        clock(clock_in),
        settings(std::move(settings_in)) {}

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
  std::set<std::string> checked_copies;           // folders whose bytes this process has verified
  std::shared_ptr<const KeptPolicy> kept_policy;  // what CurrentPolicy read last
  std::vector<std::thread> gate_threads;
  int64_t running_gates = 0;

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
  // Told before each gate (no verdict) and after it.
  using Progress = std::function<base::Status(const std::string& gate, int64_t done, int64_t total,
                                              const Verdict* verdict)>;
  base::Result<std::vector<Verdict>> CheckGates(const KeptPolicy& policy, const Version& version,
                                                Stage to, const std::optional<Version>& production,
                                                const Progress& progress = {});
  base::Status Judge(GateRun run, const events::Actor& actor);
  base::Status InterruptGateRuns();
  // The newest one on record, whichever replica wrote it.
  base::Result<std::shared_ptr<const KeptPolicy>> CurrentPolicy();
  base::Status KeepPolicy();
  base::Result<bool> WritePolicy(const KeptPolicy& next, const events::Actor& actor);
  base::Status RequireOverrider(const events::Actor& actor);
  void SetAside(const GatePolicy& policy, const std::vector<Word>& words, Stage to,
                std::vector<Verdict>& verdicts) const;
  base::Result<TransitionOutcome> TryTransition(const TransitionRequest& request);
  base::Status Refuse(const TransitionRequest& request, const Version& version,
                      const std::vector<Verdict>& verdicts);
  base::Status Move(storage::Transaction& transaction, const TransitionRequest& request,
                    const Version& seen, const std::optional<Version>& production, int64_t policy,
                    TransitionOutcome& outcome);
  base::Status ArchiveOthers(storage::Transaction& transaction, const TransitionRequest& request,
                             base::Micros now, std::vector<int64_t>& archived);
};

std::string SubjectOf(const std::string& model);
std::string SubjectOf(const std::string& model, int64_t number);

}  // namespace slipway::registry
