// SPDX-License-Identifier: Apache-2.0
// The tables: every implementation of every seam, each once.
#include "app/assembly.h"

#include <memory>
#include <utility>

#include "app/adapters.h"
#include "lifecycle/gates.h"
#include "registry/approvals.h"
#include "registry/gates.h"
#include "slipway_rows.h"
#include "storage/blobs_file.h"
#if SLIPWAY_WITH_BUCKETS
#include "storage/blobs_bucket.h"
#endif
#if SLIPWAY_WITH_PYTHON
#include "inference/python_runtime.h"
#endif
#if SLIPWAY_WITH_WEBHOOK
#include "monitoring/webhook_sink.h"
#endif
#if SLIPWAY_WITH_PAGERDUTY || SLIPWAY_WITH_ALERTMANAGER || SLIPWAY_WITH_CHAT || \
    SLIPWAY_WITH_EMAIL || SLIPWAY_WITH_COMMAND
#include "monitoring/sinks.h"
#endif
#if SLIPWAY_WITH_MLFLOW
#include "api/mlflow/mlflow.h"
#endif
#if SLIPWAY_WITH_OIP
#include "api/oip/oip.h"
#endif
#if SLIPWAY_WITH_TORCHSERVE
#include "api/torchserve/torchserve.h"
#endif
#if SLIPWAY_WITH_SAGEMAKER
#include "api/sagemaker/migrations.h"
#include "api/sagemaker/sagemaker.h"
#endif
#if SLIPWAY_WITH_PREDICT
#include "api/predict/predict.h"
#endif
#if SLIPWAY_WITH_TFSERVING
#include "api/tfserving/tfserving.h"
#endif
#if SLIPWAY_WITH_V1MODELS
#include "api/v1models/v1models.h"
#endif
#if SLIPWAY_WITH_INVOCATIONS
#include "api/invocations/invocations.h"
#endif
#if SLIPWAY_WITH_OPENVINO
#include "inference/openvino_runtime.h"
#endif

namespace slipway::app {
namespace {

constexpr storage::DatabaseKind kDatabases[] = {
    {"sqlite", storage::OpenSqlite},
#if SLIPWAY_WITH_POSTGRESQL
    {"postgresql", storage::OpenPostgresql},
#endif
};

constexpr storage::BlobStore kStores[] = {
    {"file", storage::OpenFileBlobs},
#if SLIPWAY_WITH_BUCKETS
    {"s3", storage::OpenBucketBlobs},
    {"gs", storage::OpenBucketBlobs},
#endif
};

#if SLIPWAY_WITH_ONNX
// ONNX Runtime, with our evaluator in front of it for graphs that are only trees.
std::unique_ptr<inference::Runtime> MaybeTrees(std::unique_ptr<inference::Runtime> onnx,
                                               [[maybe_unused]] bool native_trees) {
#if SLIPWAY_WITH_TREES
  if (native_trees) return inference::PreferTrees(std::move(onnx));
#endif
  return onnx;
}
#endif

}  // namespace

struct Assembly::RowSettings {
#if SLIPWAY_WITH_ONNX
  inference::OnnxSettings onnx;
#endif
#if SLIPWAY_WITH_OPENVINO
  inference::OpenVinoSettings openvino;
#endif
#if SLIPWAY_WITH_PYTHON
  inference::PythonSettings python;
#endif
#if SLIPWAY_WITH_WEBHOOK
  monitoring::WebhookSettings webhook;
#endif
#if SLIPWAY_WITH_PAGERDUTY
  monitoring::PagerDutySettings pagerduty;
#endif
#if SLIPWAY_WITH_ALERTMANAGER
  monitoring::AlertmanagerSettings alertmanager;
#endif
#if SLIPWAY_WITH_CHAT
  monitoring::ChatSettings chat;
#endif
#if SLIPWAY_WITH_EMAIL
  monitoring::EmailSettings email;
#endif
#if SLIPWAY_WITH_COMMAND
  monitoring::CommandSettings command;
#endif
#if SLIPWAY_WITH_MLFLOW
  api::mlflow::MlflowSettings mlflow;
#endif
#if SLIPWAY_WITH_OIP
  api::oip::OipSettings oip;
#endif
#if SLIPWAY_WITH_INVOCATIONS
  api::invocations::InvocationsSettings invocations;
#endif
#if SLIPWAY_WITH_SAGEMAKER
  api::sagemaker::SageMakerSettings sagemaker;
#endif
};

Assembly::Assembly() : rows_(std::make_unique<RowSettings>()) {}
Assembly::~Assembly() = default;

void Assembly::Describe([[maybe_unused]] base::Schema& schema) {
#if SLIPWAY_WITH_ONNX
  inference::Describe(schema, rows_->onnx);
#endif
#if SLIPWAY_WITH_OPENVINO
  inference::Describe(schema, rows_->openvino);
#endif
#if SLIPWAY_WITH_PYTHON
  inference::Describe(schema, rows_->python);
#endif
#if SLIPWAY_WITH_WEBHOOK
  monitoring::Describe(schema, rows_->webhook);
#endif
#if SLIPWAY_WITH_PAGERDUTY
  monitoring::Describe(schema, rows_->pagerduty);
#endif
#if SLIPWAY_WITH_ALERTMANAGER
  monitoring::Describe(schema, rows_->alertmanager);
#endif
#if SLIPWAY_WITH_CHAT
  monitoring::Describe(schema, rows_->chat);
#endif
#if SLIPWAY_WITH_EMAIL
  monitoring::Describe(schema, rows_->email);
#endif
#if SLIPWAY_WITH_COMMAND
  monitoring::Describe(schema, rows_->command);
#endif
#if SLIPWAY_WITH_MLFLOW
  api::mlflow::Describe(schema, rows_->mlflow);
#endif
#if SLIPWAY_WITH_OIP
  api::oip::Describe(schema, rows_->oip);
#endif
#if SLIPWAY_WITH_INVOCATIONS
  api::invocations::Describe(schema, rows_->invocations);
#endif
#if SLIPWAY_WITH_SAGEMAKER
  api::sagemaker::Describe(schema, rows_->sagemaker);
#endif
}

std::vector<storage::Migration> Assembly::Migrations() const {
  std::vector<storage::Migration> all;
#if SLIPWAY_WITH_SAGEMAKER
  const auto room = api::sagemaker::Migrations();
  all.insert(all.end(), room.begin(), room.end());
#endif
  return all;
}

std::span<const storage::DatabaseKind> Assembly::databases() const { return kDatabases; }
std::span<const storage::BlobStore> Assembly::stores() const { return kStores; }

base::Result<std::vector<std::unique_ptr<inference::Runtime>>> Assembly::Runtimes(
    [[maybe_unused]] const Settings& settings) const {
  std::vector<std::unique_ptr<inference::Runtime>> runtimes;
#if SLIPWAY_WITH_ONNX
  runtimes.push_back(
      MaybeTrees(TRY(inference::MakeOnnxRuntime(rows_->onnx)), rows_->onnx.native_trees));
#endif
#if SLIPWAY_WITH_OPENVINO
  runtimes.push_back(inference::MakeOpenVinoRuntime(rows_->openvino));
#endif
#if SLIPWAY_WITH_PYTHON
  inference::PythonSettings python = rows_->python;
  python.folder = settings.process.data + "/python";
  runtimes.push_back(inference::MakePythonRuntime(std::move(python)));
#endif
#if SLIPWAY_WITH_TREES
  runtimes.push_back(inference::MakeTreesRuntime());
#endif
  return runtimes;
}

base::Result<std::unique_ptr<inference::Runtime>> ProbeRuntime(
    const std::string& name, [[maybe_unused]] const std::string& library,
    [[maybe_unused]] const std::map<std::string, std::string>& settings) {
#if SLIPWAY_WITH_ONNX
  if (name == "onnx")
    return MaybeTrees(
        TRY(inference::MakeOnnxRuntime(inference::OnnxSettingsOfProbe(library, settings))), true);
#endif
#if SLIPWAY_WITH_OPENVINO
  // No cache folder: the probe may write nothing.
  if (name == "openvino") return inference::MakeOpenVinoRuntime({.library = library, .threads = 1});
#endif
#if SLIPWAY_WITH_TREES
  if (name == "trees") return inference::MakeTreesRuntime();
#endif
  return base::InvalidArgument("runtime", "no runtime '" + name + "'", "unknown_runtime");
}

std::vector<std::unique_ptr<monitoring::AlertSink>> Assembly::Sinks(
    [[maybe_unused]] const net::HttpClient& client) const {
  std::vector<std::unique_ptr<monitoring::AlertSink>> sinks;
#if SLIPWAY_WITH_WEBHOOK
  if (!rows_->webhook.url.empty())
    sinks.push_back(monitoring::MakeWebhookSink(rows_->webhook, client));
#endif
#if SLIPWAY_WITH_PAGERDUTY
  if (!rows_->pagerduty.routing_key_secret.empty())
    sinks.push_back(monitoring::MakePagerDutySink(rows_->pagerduty, client));
#endif
#if SLIPWAY_WITH_ALERTMANAGER
  if (!rows_->alertmanager.url.empty())
    sinks.push_back(monitoring::MakeAlertmanagerSink(rows_->alertmanager, client));
#endif
#if SLIPWAY_WITH_CHAT
  if (!rows_->chat.slack_url.empty())
    sinks.push_back(monitoring::MakeSlackSink(rows_->chat, client));
  if (!rows_->chat.teams_url.empty())
    sinks.push_back(monitoring::MakeTeamsSink(rows_->chat, client));
#endif
#if SLIPWAY_WITH_EMAIL
  if (!rows_->email.server.empty())
    sinks.push_back(monitoring::MakeEmailSink(rows_->email, client));
#endif
#if SLIPWAY_WITH_COMMAND
  if (!rows_->command.argv.empty()) sinks.push_back(monitoring::MakeCommandSink(rows_->command));
#endif
  return sinks;
}

std::unique_ptr<pipelines::Executor> Assembly::Executor() const {
  return pipelines::MakeProcessExecutor();
}

void Assembly::AddGates(registry::Registry& registry, const GateParts& parts) const {
  registry.AddGate(registry::MakeRequiredMetadataGate(parts.settings.registry.required_metadata));
  registry.AddGate(registry::MakeArtifactIntegrityGate(parts.blobs));
  registry.AddGate(lifecycle::MakeModelLoadsGate(parts.endpoints));
  registry.AddGate(lifecycle::MakeGoldenOutputsGate(registry, parts.endpoints));
  registry.AddGate(registry::MakeUnsafePickleGate(parts.blobs));
  registry.AddGate(lifecycle::MakeSignatureCompatibleGate(parts.endpoints));
  registry.AddGate(
      lifecycle::MakeBetterThanProductionGate(parts.contests, parts.holdouts, parts.endpoints));
  registry.AddGate(lifecycle::MakeLatencyBudgetGate(parts.endpoints));
  registry.AddGate(lifecycle::MakeExternalCommandGate(registry));
  registry.AddGate(lifecycle::MakeVetoWebhookGate(parts.client));
  registry.AddGate(registry::MakeApprovalGate(parts.database, parts.clock));
}

void Assembly::AddProtocols([[maybe_unused]] const ProtocolParts& parts) const {
#if SLIPWAY_WITH_MLFLOW
  api::mlflow::Register(parts.router, parts.tracking, parts.registry, parts.blobs, parts.webhooks,
                        parts.database, parts.clock, rows_->mlflow);
#endif
#if SLIPWAY_WITH_OIP
  api::oip::Register(parts.router, parts.grpc,
                     {parts.predictor, &parts.repository, parts.settings.inference.max_batch_rows,
                      rows_->oip, parts.ready, parts.settings.process.data + "/traces"});
#endif
#if SLIPWAY_WITH_INVOCATIONS
  api::invocations::Register(parts.router, parts.predictor, rows_->invocations);
#endif
#if SLIPWAY_WITH_SAGEMAKER
  api::sagemaker::Register(parts.router, parts.database, parts.blobs, parts.registry, parts.clock,
                           rows_->sagemaker);
#endif
#if SLIPWAY_WITH_TORCHSERVE
  api::torchserve::Register(parts.router, parts.predictor, parts.repository);
#endif
#if SLIPWAY_WITH_PREDICT
  api::predict::Register(parts.router, parts.predictor);
#endif
#if SLIPWAY_WITH_TFSERVING
  api::tfserving::AddGrpcMethods(parts.grpc, parts.predictor, LabelsFrom(parts.registry));
#endif
#if SLIPWAY_WITH_V1MODELS
  api::v1models::Register(parts.router, parts.predictor, LabelsFrom(parts.registry));
#endif
}

}  // namespace slipway::app
