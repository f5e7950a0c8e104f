// SPDX-License-Identifier: Apache-2.0
// Small bridges between rooms of one layer.
#include "app/adapters.h"

#include <algorithm>

#include "base/files.h"
#include "monitoring/baseline.h"

namespace slipway::app {
namespace {

constexpr std::string_view kBaselinePath = "monitoring/baseline.json";

class MonitorRecorder final : public serving::Recorder {
 public:
  explicit MonitorRecorder(monitoring::Monitor& monitor) : monitor_(monitor) {}
  base::Status Record(const monitoring::PredictionRecord& record) override {
    return monitor_.Append(record);
  }

 private:
  monitoring::Monitor& monitor_;
};

class RolloutObserver final : public serving::OutcomeObserver {
 public:
  explicit RolloutObserver(traffic::Rollouts& rollouts) : rollouts_(rollouts) {}
  void Observe(const std::string& endpoint, int64_t epoch, const std::string& arm,
               const std::string& key, bool failed, int64_t total_ns) override {
    rollouts_.Observe(endpoint, epoch, arm, key, failed, total_ns);
  }

 private:
  traffic::Rollouts& rollouts_;
};

class TrackingMetadata final : public registry::MetadataSource {
 public:
  explicit TrackingMetadata(tracking::Tracking& tracking) : tracking_(tracking) {}
  base::Result<base::Json> MetadataOf(const std::string& run_id,
                                      const std::string& model_id) override {
    return tracking_.ReproducibilityOf(run_id, model_id);
  }

 private:
  tracking::Tracking& tracking_;
};

}  // namespace

std::unique_ptr<serving::Recorder> RecordTo(monitoring::Monitor& monitor) {
  return std::make_unique<MonitorRecorder>(monitor);
}

std::unique_ptr<serving::OutcomeObserver> ObserveWith(traffic::Rollouts& rollouts) {
  return std::make_unique<RolloutObserver>(rollouts);
}

std::function<void(const monitoring::LabelledPrediction&)> LossesTo(traffic::Rollouts& rollouts) {
  return [&rollouts](const monitoring::LabelledPrediction& row) {
    const double error = row.score - (row.label ? 1.0 : 0.0);
    rollouts.ObserveLoss(row.endpoint, row.version, row.prediction_id, row.predicted,
                         error * error);
  };
}

std::shared_ptr<registry::MetadataSource> MetadataFrom(tracking::Tracking& tracking) {
  return std::make_shared<TrackingMetadata>(tracking);
}

std::function<base::Result<int64_t>(const std::string&, const std::string&)> LabelsFrom(
    registry::Registry& registry) {
  return [&registry](const std::string& model, const std::string& label) -> base::Result<int64_t> {
    return TRY(registry.GetByAlias(model, label)).number;
  };
}

registry::Registry::FindUse ServedBy(traffic::Endpoints& endpoints) {
  return [&endpoints](const std::string& model, int64_t number) -> std::string {
    for (const traffic::Plan& plan : endpoints.List()) {
      for (const traffic::Arm& arm : plan.arms) {
        if (arm.model == model && arm.version == number)
          return "served by endpoint '" + plan.endpoint + "' (" + arm.name + ")";
      }
    }
    return "";
  };
}

tracking::Tracking::FindUse UsedBy(registry::Registry& registry) {
  return [&registry](storage::Transaction& transaction, const std::string& run_id,
                     const std::string& model_id) {
    return registry.UseOfSource(transaction, run_id, model_id);
  };
}

monitoring::Monitor::FindBaseline BaselineFrom(registry::Registry& registry) {
  return [&registry](const std::string& model,
                     int64_t number) -> base::Result<std::optional<std::string>> {
    const registry::Version version = TRY(registry.GetVersion(model, number));
    const bool has_one =
        std::any_of(version.files.begin(), version.files.end(),
                    [](const registry::ManifestFile& file) { return file.path == kBaselinePath; });
    if (!has_one) return std::optional<std::string>();
    const std::string folder = TRY(registry.Materialize(version));
    return std::optional<std::string>(TRY(
        base::ReadFile(folder + "/" + std::string(kBaselinePath), monitoring::kMaxBaselineBytes)));
  };
}

}  // namespace slipway::app
