// SPDX-License-Identifier: Apache-2.0
// A library of custom operators as a user would bring one: slipway.test.Doubled, y = 2 x. Built for
// tests only.
#include <cstddef>
#include <cstdint>

namespace {

using Status = void*;
struct ApiBase {
  const void* const* (*GetApi)(uint32_t version);
};
constexpr uint32_t kVersion = 10;  // enough for what is used here

// The ABI's table as of that version.
struct CustomOp {
  uint32_t version;
  void* (*CreateKernel)(const CustomOp*, const void* const* api, const void* info);
  const char* (*GetName)(const CustomOp*);
  const char* (*GetExecutionProviderType)(const CustomOp*);
  int (*GetInputType)(const CustomOp*, size_t);
  size_t (*GetInputTypeCount)(const CustomOp*);
  int (*GetOutputType)(const CustomOp*, size_t);
  size_t (*GetOutputTypeCount)(const CustomOp*);
  void (*KernelCompute)(void* kernel, void* context);
  void (*KernelDestroy)(void* kernel);
  int (*GetInputCharacteristic)(const CustomOp*, size_t);
  int (*GetOutputCharacteristic)(const CustomOp*, size_t);
};

const void* const* g_api = nullptr;

template <typename Function>
Function Slot(size_t slot) {
  return reinterpret_cast<Function>(const_cast<void*>(g_api[slot]));
}

void Compute(void*, void* context) {
  const void* x = nullptr;
  Slot<Status (*)(const void*, size_t, const void**)>(90)(context, 0, &x);
  void* info = nullptr;
  Slot<Status (*)(const void*, void**)>(65)(x, &info);
  size_t rank = 0, count = 0;
  int64_t shape[8] = {};
  Slot<Status (*)(const void*, size_t*)>(61)(info, &rank);
  Slot<Status (*)(const void*, int64_t*, size_t)>(62)(info, shape, rank);
  Slot<Status (*)(const void*, size_t*)>(64)(info, &count);
  Slot<void (*)(void*)>(99)(info);
  void* y = nullptr;
  Slot<Status (*)(void*, size_t, const int64_t*, size_t, void**)>(91)(context, 0, shape, rank, &y);
  float* from = nullptr;
  float* to = nullptr;
  Slot<Status (*)(void*, float**)>(51)(const_cast<void*>(x), &from);
  Slot<Status (*)(void*, float**)>(51)(y, &to);
  for (size_t i = 0; i < count; ++i) to[i] = 2 * from[i];
}

constexpr int kFloat = 1;
const CustomOp kDoubled = {
    kVersion,
    [](const CustomOp*, const void* const*, const void*) -> void* { return &g_api; },
    [](const CustomOp*) { return "Doubled"; },
    [](const CustomOp*) -> const char* { return nullptr; },
    [](const CustomOp*, size_t) { return kFloat; },
    [](const CustomOp*) -> size_t { return 1; },
    [](const CustomOp*, size_t) { return kFloat; },
    [](const CustomOp*) -> size_t { return 1; },
    Compute,
    [](void*) {},
    [](const CustomOp*, size_t) { return 0; },
    [](const CustomOp*, size_t) { return 0; },
};

}  // namespace

extern "C" __attribute__((visibility("default"))) Status RegisterCustomOps(void* options,
                                                                           const ApiBase* base) {
  g_api = base->GetApi(kVersion);
  void* domain = nullptr;
  if (Status status = Slot<Status (*)(const char*, void**)>(26)("slipway.test", &domain))
    return status;
  if (Status status = Slot<Status (*)(void*, const CustomOp*)>(27)(domain, &kDoubled))
    return status;
  return Slot<Status (*)(void*, void*)>(28)(options, domain);
}
