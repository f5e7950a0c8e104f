// SPDX-License-Identifier: Apache-2.0
// Our own declaration of the part of OpenVINO's C API that we call, found by name in
// libopenvino_c. Calls that can fail return 0 for success.
#pragma once

#include <cstddef>
#include <cstdint>

namespace slipway::inference::openvino {

// Opaque; each is given back with its ..._free.
struct OvCore;
struct OvModel;
struct OvCompiled;
struct OvRequest;
struct OvPort;
struct OvTensor;

struct OvVersion {
  const char* build;
  const char* description;
};
struct OvShape {
  int64_t rank;
  int64_t* dimensions;
};
struct OvDimension {
  int64_t least, most;  // equal: fixed
};
struct OvPartialShape {
  OvDimension rank;
  OvDimension* dimensions;
};
struct OvProperty {
  const char* key;
  const void* value;
};

#define SLIPWAY_OV_FUNCTIONS(X)                                                                 \
  X(ov_get_last_err_msg, const char*, ())                                                       \
  X(ov_get_error_info, const char*, (int status))                                               \
  X(ov_free, void, (const char*))                                                               \
  X(ov_get_openvino_version, int, (OvVersion*))                                                 \
  X(ov_version_free, void, (OvVersion*))                                                        \
  X(ov_core_create, int, (OvCore**))                                                            \
  X(ov_core_free, void, (OvCore*))                                                              \
  X(ov_core_read_model, int, (const OvCore*, const char* path, const char* weights, OvModel**)) \
  X(ov_model_free, void, (OvModel*))                                                            \
  X(ov_core_compile_model_props, int,                                                           \
    (const OvCore*, const OvModel*, const char* device, size_t count, const OvProperty*,        \
     OvCompiled**))                                                                             \
  X(ov_compiled_model_free, void, (OvCompiled*))                                                \
  X(ov_compiled_model_inputs_size, int, (const OvCompiled*, size_t*))                           \
  X(ov_compiled_model_outputs_size, int, (const OvCompiled*, size_t*))                          \
  X(ov_compiled_model_input_by_index, int, (const OvCompiled*, size_t, OvPort**))               \
  X(ov_compiled_model_output_by_index, int, (const OvCompiled*, size_t, OvPort**))              \
  X(ov_compiled_model_create_infer_request, int, (const OvCompiled*, OvRequest**))              \
  X(ov_output_const_port_free, void, (OvPort*))                                                 \
  X(ov_port_get_any_name, int, (const OvPort*, char**))                                         \
  X(ov_port_get_partial_shape, int, (const OvPort*, OvPartialShape*))                           \
  X(ov_port_get_element_type, int, (const OvPort*, int*))                                       \
  X(ov_partial_shape_free, void, (OvPartialShape*))                                             \
  X(ov_infer_request_free, void, (OvRequest*))                                                  \
  X(ov_infer_request_set_input_tensor_by_index, int, (OvRequest*, size_t, const OvTensor*))     \
  X(ov_infer_request_get_output_tensor_by_index, int, (const OvRequest*, size_t, OvTensor**))   \
  X(ov_infer_request_infer, int, (OvRequest*))                                                  \
  X(ov_tensor_create, int, (int type, OvShape, OvTensor**))                                     \
  X(ov_tensor_create_from_host_ptr, int, (int type, OvShape, void*, OvTensor**))                \
  X(ov_tensor_get_shape, int, (const OvTensor*, OvShape*))                                      \
  X(ov_tensor_get_element_type, int, (const OvTensor*, int*))                                   \
  X(ov_tensor_get_byte_size, int, (const OvTensor*, size_t*))                                   \
  X(ov_tensor_data, int, (const OvTensor*, void**))                                             \
  X(ov_tensor_free, void, (OvTensor*))                                                          \
  X(ov_shape_free, int, (OvShape*))

struct OvFunctions {
#define SLIPWAY_OV_MEMBER(name, result, arguments) result(*name) arguments = nullptr;
  SLIPWAY_OV_FUNCTIONS(SLIPWAY_OV_MEMBER)
#undef SLIPWAY_OV_MEMBER
};

}  // namespace slipway::inference::openvino
