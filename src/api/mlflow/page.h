// SPDX-License-Identifier: Apache-2.0
// MLflow's own page at /mlflow/, from the files of an mlflow that the user has installed: none of
// it is in this product.
#pragma once

#include <string>

#include "net/http.h"

namespace slipway::api::mlflow {

// `where` is the folder with its index.html; "auto": that of the mlflow in the active virtual
// environment or beside a Python on PATH; "off": none. A page that is not found is said so at
// /mlflow/.
void AddPage(net::Router& router, const std::string& where);

}  // namespace slipway::api::mlflow
