// SPDX-License-Identifier: Apache-2.0
// A prediction's walk, just before it is logged: what must not be kept goes. And long after: what
// was kept long enough goes.
#include "monitoring/keeping.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "base/hash.h"
#include "monitoring/record_archive.h"

namespace slipway::monitoring {
namespace {

using inference::DataType;
using inference::NamedTensor;
using inference::Tensor;

constexpr size_t kLeastSaltBytes = 16;

base::Result<std::set<std::string, std::less<>>> ReadNames(const base::Json& rule,
                                                           const std::string& key,
                                                           const std::string& field) {
  std::set<std::string, std::less<>> names;
  const base::Json* list = rule.Find(key);
  if (list == nullptr) return names;
  if (!list->is_array())
    return base::InvalidArgument(field + "." + key, "expected a list of names");
  for (const base::Json& name : list->AsArray()) {
    if (!name.is_string())
      return base::InvalidArgument(field + "." + key, "expected a list of names");
    names.insert(name.AsString());
  }
  return names;
}

// An element as a person writes it.
std::string ElementText(const Tensor& tensor, int64_t index) {
  if (tensor.type() == DataType::kString) return tensor.strings()[static_cast<size_t>(index)];
  const double number = tensor.NumberAt(index);
  if (tensor.type() == DataType::kBool) return number != 0 ? "true" : "false";
  std::array<char, 64> text;
  const bool wide = tensor.type() == DataType::kInt64;
  const auto end =
      wide ? std::to_chars(text.data(), text.data() + text.size(),
                           tensor.As<int64_t>()[static_cast<size_t>(index)])
      : tensor.type() == DataType::kUint64
          ? std::to_chars(text.data(), text.data() + text.size(),
                          tensor.As<uint64_t>()[static_cast<size_t>(index)])
      : tensor.type() == DataType::kFp32
          ? std::to_chars(text.data(), text.data() + text.size(), static_cast<float>(number))
          : std::to_chars(text.data(), text.data() + text.size(), number);
  return {text.data(), end.ptr};
}

}  // namespace

base::Result<std::map<std::string, KeepRule, std::less<>>> ReadKeepRules(
    const base::Json& endpoints) {
  std::map<std::string, KeepRule, std::less<>> rules;
  if (!endpoints.is_object()) return rules;
  for (const auto& [name, given] : endpoints.AsObject()) {
    const std::string field = "monitoring.endpoints." + name;
    if (!given.is_object()) continue;
    KeepRule& rule = rules[name];
    rule.drop = TRY(ReadNames(given, "drop", field));
    rule.hash = TRY(ReadNames(given, "hash", field));
    rule.retention_days = TRY(base::OptionalDouble(given, "retention_days"));
    rule.retention_bytes = TRY(base::OptionalInt(given, "retention_bytes"));
    if (rule.retention_days.value_or(1) < 0 || rule.retention_bytes.value_or(1) < 0)
      return base::InvalidArgument(field, "expected a retention of 0 (for ever) or more");
  }
  return rules;
}

base::Result<Redactor> Redactor::Make(std::map<std::string, KeepRule, std::less<>> rules,
                                      std::string salt) {
  Redactor redactor;
  for (auto& [name, rule] : rules) {
    if (!rule.hash.empty() && salt.size() < kLeastSaltBytes) {
      return base::InvalidArgument(
          "monitoring.redaction_salt",
          "endpoint " + name + " hashes fields: expected a secret of at least 16 bytes");
    }
    if (!rule.drop.empty() || !rule.hash.empty()) redactor.rules_[name] = std::move(rule);
  }
  redactor.salt_ = std::move(salt);
  return redactor;
}

bool Redactor::Touches(std::string_view endpoint) const {
  return !rules_.empty() && rules_.contains(endpoint);
}

std::string Redactor::Hash(std::string_view text) const {
  return base::HexEncode(base::HmacSha256(salt_, text));
}

void Redactor::ApplyTo(const KeepRule& rule, std::vector<NamedTensor>& tensors) const {
  std::erase_if(tensors, [&](const NamedTensor& named) { return rule.drop.contains(named.name); });
  for (NamedTensor& named : tensors) {
    if (!rule.hash.contains(named.name)) continue;
    std::vector<std::string> texts;
    for (int64_t i = 0; i < named.tensor.element_count(); ++i)
      texts.push_back(Hash(ElementText(named.tensor, i)));
    named = {named.name, Tensor::Strings(named.tensor.shape(), std::move(texts))};
  }
}

std::string Redactor::TextAsLogged(std::string_view endpoint, std::string_view field,
                                   std::string_view text) const {
  const auto rule = rules_.find(endpoint);
  if (rule == rules_.end() || text.empty()) return std::string(text);
  if (rule->second.drop.contains(field)) return {};
  return rule->second.hash.contains(field) ? Hash(text) : std::string(text);
}

PredictionRecord Redactor::Apply(const PredictionRecord& record) const {
  PredictionRecord kept = record;
  const auto rule = rules_.find(record.endpoint);
  if (rule == rules_.end()) return kept;
  ApplyTo(rule->second, kept.inputs);
  ApplyTo(rule->second, kept.outputs);
  kept.key = TextAsLogged(record.endpoint, "key", record.key);
  kept.request_id = TextAsLogged(record.endpoint, "request_id", record.request_id);
  kept.error = record.error.substr(0, record.error.find(':'));
  return kept;
}

std::vector<ArchivedFile> PastRetention(std::vector<ArchivedFile> files,
                                        const std::map<std::string, KeepRule, std::less<>>& rules,
                                        const KeepRule& others, base::Micros now) {
  std::sort(files.begin(), files.end(), [](const ArchivedFile& a, const ArchivedFile& b) {
    return std::pair(-a.latest, a.key) < std::pair(-b.latest, b.key);  // the newest first
  });
  std::map<std::string, int64_t> kept_bytes;
  std::vector<ArchivedFile> past;
  for (ArchivedFile& file : files) {
    const auto found = rules.find(file.endpoint);
    const KeepRule& rule = found == rules.end() ? others : found->second;
    const double days = rule.retention_days.value_or(others.retention_days.value_or(0));
    const int64_t bytes = rule.retention_bytes.value_or(others.retention_bytes.value_or(0));
    const auto age = static_cast<double>(now - file.latest) / static_cast<double>(base::kDay);
    int64_t& kept = kept_bytes[file.endpoint];
    if ((days > 0 && age > days) || (bytes > 0 && kept + file.size_bytes > bytes)) {
      past.push_back(std::move(file));
    } else {
      kept += file.size_bytes;
    }
  }
  return past;
}

}  // namespace slipway::monitoring
