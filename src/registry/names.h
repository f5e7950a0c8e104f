// SPDX-License-Identifier: Apache-2.0
// What models, aliases and tags may be called. Failures are kInvalidArgument naming the field and
// what was expected.
#pragma once

#include <string>

#include "base/status.h"
#include "registry/registry.h"

namespace slipway::registry {

// 1-250 bytes, one path segment: no '/', ':' or control character, neither "." nor "..".
base::Status CheckModelName(const std::string& name);
// Letters, digits, '_' and '-', at most 255; not "latest" nor "v<number>", which name versions.
base::Status CheckAlias(const std::string& alias);
// Key 1-250 bytes, value at most 100 000.
base::Status CheckTag(const std::string& key, const std::string& value);
base::Status CheckTags(const Tags& tags);

}  // namespace slipway::registry
