// SPDX-License-Identifier: Apache-2.0
// Settings: each room declares `struct XSettings` and one `void Describe(base::Schema&,
// XSettings&)`. From the schema come parsing (defaults < YAML file < SLIPWAY_* environment <
// flags), unknown-key errors with line and column, `config show` with origins, the documentation
// page and the JSON schema.
//   schema.Add("http.listen", &settings.http_listen, "Address and port of the HTTP server.");
// A key's environment name is SLIPWAY_ + the key in capitals with '.' as '_'; its flag is --key
// with '.' and '_' as '-'.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "base/status.h"

namespace slipway::base {

enum class Origin { kDefault, kFile, kEnvironment, kFlag };

// A length of time in a settings struct: written "5s", held in microseconds.
struct Duration {
  Micros micros = 0;
};

struct ConfigInput {
  std::string yaml;                                // text of the file; empty for none
  std::string yaml_name;                           // its name, for errors
  std::map<std::string, std::string> environment;  // only SLIPWAY_* entries are read
  std::map<std::string, std::string> flags;        // key (dotted) -> value
};

struct SettingRow {
  std::string key;
  std::string
      type;  // "string", "integer", "number", "boolean", "duration", "list of strings", "json"
  std::string help;
  std::string default_value;
  std::string value;
  Origin origin = Origin::kDefault;
  std::string where;  // "slipway.yaml:12:3", "SLIPWAY_HTTP_LISTEN", "--http"
};

class Schema {
 public:
  Schema();
  ~Schema();

  // The pointee holds the default now and the configured value after Apply; it must outlive the
  // schema.
  void Add(std::string_view key, std::string* value, std::string_view help);
  void Add(std::string_view key, bool* value, std::string_view help);
  void Add(std::string_view key, int64_t* value, std::string_view help, int64_t least,
           int64_t most);
  void Add(std::string_view key, double* value, std::string_view help, double least, double most);
  void Add(std::string_view key, Duration* value, std::string_view help, Duration least,
           Duration most);
  void Add(std::string_view key, std::vector<std::string>* value, std::string_view help);
  // A subtree that its room checks itself (policies, pipelines): YAML mapping or sequence, or JSON
  // text in environment/flag.
  void AddJson(std::string_view key, Json* value, std::string_view help);
  void AddChoice(std::string_view key, std::string* value, std::string_view help,
                 std::vector<std::string> choices);

  // All or nothing: on error no pointee is changed. Errors name the key, where it stands and what
  // was expected.
  Status Apply(const ConfigInput& input);
  std::vector<SettingRow> Rows() const;
  std::string ToJsonSchema() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::base
