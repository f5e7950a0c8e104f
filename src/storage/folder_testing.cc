// SPDX-License-Identifier: Apache-2.0
// Where tests keep their files.
#include "storage/folder_testing.h"

#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "base/status.h"

namespace slipway::storage {

TestFolder::TestFolder()
    : path_((std::filesystem::temp_directory_path() / "slipway_test_XXXXXX").string()) {
  CHECK(mkdtemp(path_.data()) != nullptr, "mkdtemp " + path_);
}
TestFolder::~TestFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace slipway::storage
