// SPDX-License-Identifier: Apache-2.0
#include "repository/testing.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <utility>

#include "base/files.h"
#include "events/migrations.h"
#include "inference/testing.h"
#include "registry/migrations.h"
#include "repository/version_config.h"
#include "storage/blobs_file.h"
#include "traffic/migrations.h"

namespace slipway::repository {
namespace {

void Must(const base::Status& status) { CHECK(status.ok(), status.ToString()); }

class TimesRuntime final : public inference::Runtime {
 public:
  [[nodiscard]] std::string_view name() const override { return "onnx"; }
  [[nodiscard]] std::string Version() const override { return "1"; }
  base::Result<std::unique_ptr<inference::Session>> Load(
      const inference::ModelSource& source) override {
    const std::string text = TRY(base::ReadFile(source.path, 100));
    if (!text.starts_with("times "))
      return base::InvalidArgument("model", "no factor", "bad_model");
    const auto factor = static_cast<float>(std::atof(text.c_str() + 6));
    return std::unique_ptr<inference::Session>(std::make_unique<inference::FakeSession>(
        inference::OneNumberModel(),
        [factor](const inference::Request& request) -> base::Result<inference::Response> {
          inference::Tensor out = request.inputs.at(0).tensor;
          auto* values = reinterpret_cast<float*>(out.mutable_bytes().data());
          for (int64_t i = 0; i < out.element_count(); ++i) values[i] *= factor;
          return inference::Response{{{"y", std::move(out)}}};
        }));
  }
};

std::vector<std::unique_ptr<inference::Runtime>> OneRuntime() {
  std::vector<std::unique_ptr<inference::Runtime>> runtimes;
  runtimes.push_back(std::make_unique<TimesRuntime>());
  return runtimes;
}

}  // namespace

RepositoryHouse::RepositoryHouse() : pool_({}, OneRuntime(), metrics_) {
  Must(database_->Migrate(events::Migrations()));
  Must(database_->Migrate(registry::Migrations()));
  Must(database_->Migrate(traffic::Migrations()));
  blobs_ = storage::OpenFileBlobs("file:" + (data_ / "blobs")).TakeValue();
  registry::RegistrySettings settings;
  settings.cache_folder = data_ / "cache";
  registry_ = std::make_unique<registry::Registry>(*database_, *blobs_, events_, clock_, settings);
  loader_ = traffic::MakeRegistryLoader(*registry_, pool_, ConfigsOfVersions());
  endpoints_ =
      std::make_unique<traffic::Endpoints>(*database_, events_, clock_, *loader_, metrics_);
}

// Before what it stands on.
RepositoryHouse::~RepositoryHouse() { repository.reset(); }

base::Status RepositoryHouse::Start(RepositorySettings settings) {
  repository = std::make_unique<ModelRepository>(
      ModelRepository::Parts{*database_, events_, clock_, *registry_, pool_, *endpoints_},
      std::move(settings), data_.path());
  return repository->Start();
}

int64_t RepositoryHouse::Register(const std::string& model,
                                  const std::map<std::string, std::string>& files) {
  if (!registry_->GetModel(model).ok())
    Must(registry_->CreateModel(model, {}, "", kLocal).status());
  registry::CreateVersionRequest request;
  request.model = model;
  request.source = "runs:/r/model";
  request.source_folder = "artifacts/" + std::to_string(++registered_);
  request.run_id = "r";
  request.actor = kLocal;
  for (const auto& [path, text] : files)
    Must(blobs_->Put(request.source_folder + "/" + path, text).status());
  return registry_->CreateVersion(request).TakeValue().number;
}

base::Status RepositoryHouse::Serve(const std::string& model, int64_t version) {
  return endpoints_->Apply(model, {{"stable", model, version, 1}}, kLocal, "test").status();
}

base::Status RepositoryHouse::Restart() {
  repository.reset();
  endpoints_.reset();
  loader_ = traffic::MakeRegistryLoader(*registry_, pool_, ConfigsOfVersions());
  endpoints_ =
      std::make_unique<traffic::Endpoints>(*database_, events_, clock_, *loader_, metrics_);
  return endpoints_->Start();
}

void RepositoryHouse::Write(const std::string& path, const std::string& text) const {
  const std::filesystem::path whole(folder / path);
  std::filesystem::create_directories(whole.parent_path());
  std::ofstream(whole) << text;
}

double RepositoryHouse::AskEndpoint(const std::string& name) const {
  const auto endpoint = endpoints_->Find(name);
  return endpoint == nullptr ? -1 : AskModel(*traffic::MainArm(*endpoint).model);
}

double RepositoryHouse::Ask(const std::string& name, int64_t version) const {
  std::shared_ptr<inference::LoadedModel> model;
  if (version > 0) {
    model = repository->FindVersion(name, version);
  } else if (const auto endpoint = repository->Find(name)) {
    model = endpoint->arms.at(traffic::ChooseArm(*endpoint, "any key")).model;
  }
  return model == nullptr ? -1 : AskModel(*model);
}

double RepositoryHouse::AskModel(inference::LoadedModel& model) {
  std::promise<base::Result<inference::Response>> answer;
  inference::Request request = inference::OneNumber({1});
  request.inputs[0].name = model.description().inputs.at(0).name;
  model.Run(std::move(request), {},
            [&answer](base::Result<inference::Response> response, inference::RunTiming) {
              answer.set_value(std::move(response));
            });
  const auto response = answer.get_future().get();
  CHECK(response.ok(), response.status().ToString());
  return response->outputs.at(0).tensor.NumberAt(0);
}

std::string RepositoryHouse::Index() const {
  std::string text;
  for (const IndexEntry& entry : repository->Index()) {
    text += (text.empty() ? "" : ", ") + entry.name + "/" + std::to_string(entry.version) + " " +
            std::string(StateName(entry.state));
  }
  return text;
}

std::vector<events::Event> RepositoryHouse::Events() const {
  return events_.List({.type_prefix = "unmanaged."}).TakeValue();
}

}  // namespace slipway::repository
