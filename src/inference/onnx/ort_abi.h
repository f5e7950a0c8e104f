// SPDX-License-Identifier: Apache-2.0
// Our own declaration of the part of ONNX Runtime's stable C ABI that we call. The library exports
// OrtGetApiBase(); its GetApi(version) gives a table of function pointers whose slots never move.
// Below: slot, name, result, arguments. Calls that can fail return an OrtStatus (nullptr: success)
// that the caller releases.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace slipway::inference::onnx {

// Opaque; owned by whoever got one from Create..., GetValue, or Run, and given back with the
// matching Release... .
struct OrtStatus;
struct OrtEnv;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtMemoryInfo;
struct OrtAllocator;
struct OrtValue;
struct OrtTypeInfo;
struct OrtTensorTypeAndShapeInfo;
struct OrtSequenceTypeInfo;
struct OrtMapTypeInfo;
struct OrtThreadingOptions;
struct OrtArenaCfg;
struct OrtIoBinding;
struct OrtCudaProviderOptions;
struct OrtTensorRtProviderOptions;

using OrtLoggingFunction = void (*)(void* parameter, int severity, const char* category,
                                    const char* log_id, const char* code_location,
                                    const char* message);

inline constexpr uint32_t kOrtApiVersion = 24;  // of ONNX Runtime 1.24 and later

// Values of the ABI's enums.
inline constexpr int kOrtLogWarning = 2, kOrtLogError = 3, kOrtLogFatal = 4;
inline constexpr int kOrtErrorInvalidArgument = 2;
inline constexpr int kOrtOptimizeAll = 99;
inline constexpr int kOrtDeviceAllocator = 0, kOrtArenaAllocator = 1, kOrtMemTypeDefault = 0;
inline constexpr int kOrtTypeTensor = 1, kOrtTypeSequence = 2, kOrtTypeMap = 3;

#define SLIPWAY_ORT_FUNCTIONS(X)                                                                   \
  X(1, GetErrorCode, int, (const OrtStatus*))                                                      \
  X(2, GetErrorMessage, const char*, (const OrtStatus*))                                           \
  X(6, DisableTelemetryEvents, OrtStatus*, (const OrtEnv*))                                        \
  X(7, CreateSession, OrtStatus*,                                                                  \
    (const OrtEnv*, const char* path, const OrtSessionOptions*, OrtSession**))                     \
  X(8, CreateSessionFromArray, OrtStatus*,                                                         \
    (const OrtEnv*, const void* model, size_t size_bytes, const OrtSessionOptions*, OrtSession**)) \
  X(9, Run, OrtStatus*,                                                                            \
    (OrtSession*, const OrtRunOptions*, const char* const* input_names,                            \
     const OrtValue* const* inputs, size_t input_count, const char* const* output_names,           \
     size_t output_count, OrtValue** outputs))                                                     \
  X(10, CreateSessionOptions, OrtStatus*, (OrtSessionOptions**))                                   \
  X(13, SetSessionExecutionMode, OrtStatus*, (OrtSessionOptions*, int))                            \
  X(17, DisableMemPattern, OrtStatus*, (OrtSessionOptions*))                                       \
  X(19, DisableCpuMemArena, OrtStatus*, (OrtSessionOptions*))                                      \
  X(23, SetSessionGraphOptimizationLevel, OrtStatus*, (OrtSessionOptions*, int))                   \
  X(24, SetIntraOpNumThreads, OrtStatus*, (OrtSessionOptions*, int))                               \
  X(25, SetInterOpNumThreads, OrtStatus*, (OrtSessionOptions*, int))                               \
  X(30, SessionGetInputCount, OrtStatus*, (const OrtSession*, size_t*))                            \
  X(31, SessionGetOutputCount, OrtStatus*, (const OrtSession*, size_t*))                           \
  X(33, SessionGetInputTypeInfo, OrtStatus*, (const OrtSession*, size_t, OrtTypeInfo**))           \
  X(34, SessionGetOutputTypeInfo, OrtStatus*, (const OrtSession*, size_t, OrtTypeInfo**))          \
  X(36, SessionGetInputName, OrtStatus*, (const OrtSession*, size_t, OrtAllocator*, char**))       \
  X(37, SessionGetOutputName, OrtStatus*, (const OrtSession*, size_t, OrtAllocator*, char**))      \
  X(39, CreateRunOptions, OrtStatus*, (OrtRunOptions**))                                           \
  X(41, RunOptionsSetRunLogSeverityLevel, OrtStatus*, (OrtRunOptions*, int))                       \
  X(48, CreateTensorAsOrtValue, OrtStatus*,                                                        \
    (OrtAllocator*, const int64_t* shape, size_t rank, int element_type, OrtValue**))              \
  X(49, CreateTensorWithDataAsOrtValue, OrtStatus*,                                                \
    (const OrtMemoryInfo*, void* data, size_t size_bytes, const int64_t* shape, size_t rank,       \
     int element_type, OrtValue**))                                                                \
  X(51, GetTensorMutableData, OrtStatus*, (OrtValue*, void**))                                     \
  X(53, GetStringTensorDataLength, OrtStatus*, (const OrtValue*, size_t*))                         \
  X(54, GetStringTensorContent, OrtStatus*,                                                        \
    (const OrtValue*, void*, size_t size_bytes, size_t* offsets, size_t count))                    \
  X(55, CastTypeInfoToTensorInfo, OrtStatus*,                                                      \
    (const OrtTypeInfo*, const OrtTensorTypeAndShapeInfo**))                                       \
  X(56, GetOnnxTypeFromTypeInfo, OrtStatus*, (const OrtTypeInfo*, int*))                           \
  X(60, GetTensorElementType, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, int*))                \
  X(61, GetDimensionsCount, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, size_t*))               \
  X(62, GetDimensions, OrtStatus*, (const OrtTensorTypeAndShapeInfo*, int64_t*, size_t))           \
  X(67, GetValueType, OrtStatus*, (const OrtValue*, int*))                                         \
  X(68, CreateMemoryInfo, OrtStatus*,                                                              \
    (const char* name, int allocator_type, int device, int memory_type, OrtMemoryInfo**))          \
  X(69, CreateCpuMemoryInfo, OrtStatus*, (int allocator_type, int memory_type, OrtMemoryInfo**))   \
  X(76, AllocatorFree, OrtStatus*, (OrtAllocator*, void*))                                         \
  X(78, GetAllocatorWithDefaultOptions, OrtStatus*, (OrtAllocator**))                              \
  X(80, GetValue, OrtStatus*, (const OrtValue*, int index, OrtAllocator*, OrtValue**))             \
  X(81, GetValueCount, OrtStatus*, (const OrtValue*, size_t*))                                     \
  X(92, ReleaseEnv, void, (OrtEnv*))                                                               \
  X(93, ReleaseStatus, void, (OrtStatus*))                                                         \
  X(94, ReleaseMemoryInfo, void, (OrtMemoryInfo*))                                                 \
  X(95, ReleaseSession, void, (OrtSession*))                                                       \
  X(96, ReleaseValue, void, (OrtValue*))                                                           \
  X(97, ReleaseRunOptions, void, (OrtRunOptions*))                                                 \
  X(98, ReleaseTypeInfo, void, (OrtTypeInfo*))                                                     \
  X(100, ReleaseSessionOptions, void, (OrtSessionOptions*))                                        \
  X(103, CastTypeInfoToMapTypeInfo, OrtStatus*, (const OrtTypeInfo*, const OrtMapTypeInfo**))      \
  X(104, CastTypeInfoToSequenceTypeInfo, OrtStatus*,                                               \
    (const OrtTypeInfo*, const OrtSequenceTypeInfo**))                                             \
  X(105, GetMapKeyType, OrtStatus*, (const OrtMapTypeInfo*, int*))                                 \
  X(106, GetMapValueType, OrtStatus*, (const OrtMapTypeInfo*, OrtTypeInfo**))                      \
  X(107, GetSequenceElementType, OrtStatus*, (const OrtSequenceTypeInfo*, OrtTypeInfo**))          \
  X(120, DisablePerSessionThreads, OrtStatus*, (OrtSessionOptions*))                               \
  X(121, CreateThreadingOptions, OrtStatus*, (OrtThreadingOptions**))                              \
  X(122, ReleaseThreadingOptions, void, (OrtThreadingOptions*))                                    \
  X(124, AddFreeDimensionOverrideByName, OrtStatus*,                                               \
    (OrtSessionOptions*, const char* name, int64_t size))                                          \
  X(125, GetAvailableProviders, OrtStatus*, (char*** names, int* count))                           \
  X(126, ReleaseAvailableProviders, OrtStatus*, (char** names, int count))                         \
  X(130, AddSessionConfigEntry, OrtStatus*,                                                        \
    (OrtSessionOptions*, const char* key, const char* value))                                      \
  X(133, RunWithBinding, OrtStatus*, (OrtSession*, const OrtRunOptions*, const OrtIoBinding*))     \
  X(134, CreateIoBinding, OrtStatus*, (OrtSession*, OrtIoBinding**))                               \
  X(135, ReleaseIoBinding, void, (OrtIoBinding*))                                                  \
  X(136, BindInput, OrtStatus*, (OrtIoBinding*, const char* name, const OrtValue*))                \
  X(137, BindOutput, OrtStatus*, (OrtIoBinding*, const char* name, const OrtValue*))               \
  X(144, CreateAndRegisterAllocator, OrtStatus*,                                                   \
    (OrtEnv*, const OrtMemoryInfo*, const OrtArenaCfg*))                                           \
  X(147, SetGlobalIntraOpNumThreads, OrtStatus*, (OrtThreadingOptions*, int))                      \
  X(148, SetGlobalInterOpNumThreads, OrtStatus*, (OrtThreadingOptions*, int))                      \
  X(149, SetGlobalSpinControl, OrtStatus*, (OrtThreadingOptions*, int))                            \
  X(151, CreateEnvWithCustomLoggerAndGlobalThreadPools, OrtStatus*,                                \
    (OrtLoggingFunction, void*, int level, const char* log_id, const OrtThreadingOptions*,         \
     OrtEnv**))                                                                                    \
  X(157, ReleaseArenaCfg, void, (OrtArenaCfg*))                                                    \
  X(164, CreateArenaCfgV2, OrtStatus*,                                                             \
    (const char* const* keys, const size_t* values, size_t count, OrtArenaCfg**))                  \
  X(165, AddRunConfigEntry, OrtStatus*, (OrtRunOptions*, const char* key, const char* value))      \
  X(170, SessionOptionsAppendExecutionProvider_TensorRT_V2, OrtStatus*,                            \
    (OrtSessionOptions*, const OrtTensorRtProviderOptions*))                                       \
  X(171, CreateTensorRTProviderOptions, OrtStatus*, (OrtTensorRtProviderOptions**))                \
  X(172, UpdateTensorRTProviderOptions, OrtStatus*,                                                \
    (OrtTensorRtProviderOptions*, const char* const* keys, const char* const* values,              \
     size_t count))                                                                                \
  X(174, ReleaseTensorRTProviderOptions, void, (OrtTensorRtProviderOptions*))                      \
  X(204, SessionOptionsAppendExecutionProvider_CUDA_V2, OrtStatus*,                                \
    (OrtSessionOptions*, const OrtCudaProviderOptions*))                                           \
  X(205, CreateCUDAProviderOptions, OrtStatus*, (OrtCudaProviderOptions**))                        \
  X(206, UpdateCUDAProviderOptions, OrtStatus*,                                                    \
    (OrtCudaProviderOptions*, const char* const* keys, const char* const* values, size_t count))   \
  X(208, ReleaseCUDAProviderOptions, void, (OrtCudaProviderOptions*))                              \
  X(228, RegisterCustomOpsLibrary_V2, OrtStatus*, (OrtSessionOptions*, const char* path))          \
  X(252, GetResizedStringTensorElementBuffer, OrtStatus*,                                          \
    (OrtValue*, size_t index, size_t size_bytes, char**))                                          \
  X(259, CreateAndRegisterAllocatorV2, OrtStatus*,                                                 \
    (OrtEnv*, const char* provider, const OrtMemoryInfo*, const OrtArenaCfg*,                      \
     const char* const* keys, const char* const* values, size_t count))                            \
  X(279, AddExternalInitializersFromFilesInMemory, OrtStatus*,                                     \
    (OrtSessionOptions*, const char* const* names, char* const* contents,                          \
     const size_t* sizes_bytes, size_t count))                                                     \
  X(390, TensorTypeAndShape_HasShape, bool, (const OrtTensorTypeAndShapeInfo*))                    \
  X(414, GetTensorElementTypeAndShapeDataReference, OrtStatus*,                                    \
    (const OrtValue*, int* element_type, const int64_t** shape, size_t* rank))

struct OrtApiBase {
  const void* const* (*GetApi)(
      uint32_t version);  // nullptr when the library is older than `version`
  const char* (*GetVersionString)();
};

struct OrtFunctions {
#define SLIPWAY_ORT_MEMBER(slot, name, result, arguments) result(*name) arguments = nullptr;
  SLIPWAY_ORT_FUNCTIONS(SLIPWAY_ORT_MEMBER)
#undef SLIPWAY_ORT_MEMBER

  static OrtFunctions From(const void* const* table) {
    OrtFunctions functions;
#define SLIPWAY_ORT_LOAD(slot, name, result, arguments) \
  functions.name = reinterpret_cast<result(*) arguments>(const_cast<void*>(table[slot]));
    SLIPWAY_ORT_FUNCTIONS(SLIPWAY_ORT_LOAD)
#undef SLIPWAY_ORT_LOAD
    return functions;
  }
};

struct OrtSlot {
  size_t slot;
  std::string_view name;
};
inline constexpr auto kOrtSlots = std::to_array<OrtSlot>({
#define SLIPWAY_ORT_ROW(slot, name, result, arguments) {slot, #name},
    SLIPWAY_ORT_FUNCTIONS(SLIPWAY_ORT_ROW)
#undef SLIPWAY_ORT_ROW
});
inline constexpr size_t kOrtSlotCount = 415;  // of API version 24

constexpr bool SlotsRiseAndFit() {
  for (size_t i = 0; i < kOrtSlots.size(); ++i) {
    if (kOrtSlots[i].slot >= kOrtSlotCount || (i > 0 && kOrtSlots[i - 1].slot >= kOrtSlots[i].slot))
      return false;
  }
  return true;
}
static_assert(SlotsRiseAndFit(), "each slot once, in rising order, below the end of the table");

}  // namespace slipway::inference::onnx
