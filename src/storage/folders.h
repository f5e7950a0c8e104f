// SPDX-License-Identifier: Apache-2.0
// Folders below a directory handle. Private to this room.
#pragma once

#include <string_view>

#include "base/files.h"
#include "base/status.h"

namespace slipway::storage {

enum class MakeFolders { kNo, kYes };

// The folder `path` ("" is the root itself); with kYes it and its parents are made, durably.
// kNotFound when it is not there.
base::Result<base::FileHandle> OpenFolder(const base::Directory& root, std::string_view path,
                                          MakeFolders make);

}  // namespace slipway::storage
