// SPDX-License-Identifier: Apache-2.0
// The gate that looks into pickles: what would opening this model import?
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "registry/gates.h"
#include "registry/pickle_scan.h"
#include "registry/registry.h"
#include "storage/blobs.h"

namespace slipway::registry {
namespace {

constexpr int64_t kMostBytes = 1LL << 30;  // of a file that is scanned

base::Result<std::vector<std::string>> AllowedIn(const base::Json& options) {
  std::vector<std::string> allowed;
  const base::Json* allow = options.Find("allow");
  if (allow == nullptr) return allowed;
  const base::Status bad = base::InvalidArgument("allow", "expected a list of modules or names");
  if (!allow->is_array()) return bad;
  for (const base::Json& one : allow->AsArray()) {
    if (!one.is_string() || one.AsString().empty()) return bad;
    allowed.push_back(one.AsString());
  }
  return allowed;
}

class UnsafePickle final : public Gate {
 public:
  explicit UnsafePickle(storage::Blobs& blobs) : blobs_(blobs) {}
  [[nodiscard]] std::string_view name() const override { return "unsafe_pickle"; }
  [[nodiscard]] std::string_view help() const override {
    return "Pickles import nothing but data of the usual libraries: {allow: [my_package]}.";
  }
  [[nodiscard]] bool Guards(Stage stage) const override { return stage == Stage::kProduction; }
  [[nodiscard]] base::Status CheckOptions(const base::Json& options) const override {
    TRY(base::RequireOnly(options, {"allow"}));
    return AllowedIn(options).status();
  }

  Verdict Check(const GateContext& context) override {
    const base::Result<std::vector<std::string>> given = AllowedIn(context.options);
    const std::vector<std::string> allowed = given.ok() ? *given : std::vector<std::string>();
    base::Json files = base::Json::MakeArray();
    std::string unsafe;
    for (const ManifestFile& file : context.version.files) {
      base::Result<PickleScan> scan = ScanOne(context.version, file);
      if (!scan.ok()) scan = PickleScan{{}, scan.status().message()};
      if (scan->imports.empty() && scan->unreadable.empty()) continue;
      unsafe += Judge(file.path, *scan, allowed, files);
    }
    Verdict verdict;
    verdict.outcome = unsafe.empty() ? Outcome::kPass : Outcome::kFail;
    verdict.summary =
        unsafe.empty()
            ? (files.AsArray().empty() ? "There are no pickles."
                                       : "The pickles import nothing but data.")
            : unsafe +
                  " Export it to ONNX (slipway export), or allow the imports in the policy: "
                  "gates: {unsafe_pickle: {allow: [...]}}.";
    verdict.evidence = base::Json::MakeObject({{"files", std::move(files)}});
    return verdict;
  }

 private:
  base::Result<PickleScan> ScanOne(const Version& version, const ManifestFile& file) {
    const std::string key = version.Folder() + "/" + file.path;
    std::array<char, 4> first{};
    const size_t got = TRY(TRY(blobs_.Open(key))->Read(first));
    if (!MayHoldPickles(file.path, std::string_view(first.data(), got))) return PickleScan{};
    if (file.size_bytes > kMostBytes)
      return PickleScan{{}, "it is larger than 1 GiB: too large to look into"};
    return ScanFile(TRY(blobs_.Get(key, kMostBytes)));
  }

  static std::string Judge(const std::string& path, const PickleScan& scan,
                           const std::vector<std::string>& allowed, base::Json& files) {
    base::Json imports = base::Json::MakeArray();
    base::Json bad = base::Json::MakeArray();
    std::string names;
    for (const std::string& import : scan.imports) {
      imports.Append(import);
      if (!IsUnsafeImport(import, allowed)) continue;
      bad.Append(import);
      names += (names.empty() ? "" : ", ") + import;
    }
    files.Append(base::Json::MakeObject({{"path", path},
                                         {"imports", std::move(imports)},
                                         {"unsafe", std::move(bad)},
                                         {"unreadable", scan.unreadable}}));
    std::string text;
    if (!names.empty()) text += "'" + path + "' would import " + names + ". ";
    if (!scan.unreadable.empty())
      text += "'" + path + "' cannot be judged: " + scan.unreadable + ". ";
    return text;
  }

  storage::Blobs& blobs_;
};

}  // namespace

std::unique_ptr<Gate> MakeUnsafePickleGate(storage::Blobs& blobs) {
  return std::make_unique<UnsafePickle>(blobs);
}

}  // namespace slipway::registry
