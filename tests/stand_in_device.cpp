// A device of torch, "standin", that has memory of its own and computes nothing itself: every operation is carried to
// the CPU and its result carried back. As on a graphics processor, an operation on tensors of two devices is refused,
// and no tensor of the device becomes a numpy array. So a library that forgets to move a tensor fails without any GPU.
// What it can't show: streams, graphs, autocasting, generators of a device's own, other arithmetic than the CPU's.

#include <ATen/EmptyTensor.h>
#include <ATen/detail/PrivateUse1HooksInterface.h>
#include <ATen/native/CPUFallback.h>
#include <ATen/ops/_reshape_alias_native.h>
#include <ATen/ops/as_strided_native.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/resize_native.h>
#include <ATen/ops/unfold_native.h>
#include <ATen/ops/view_native.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <torch/library.h>

using at::IntArrayRef;
using at::Tensor;
constexpr auto KIND = c10::DeviceType::PrivateUse1;  // which torch keeps for devices of others
const c10::Device HERE(KIND, 0);                     // the only one of its kind

// Which device is in use: always the same one, with one stream, on which everything is done at once.
struct Guard final : c10::impl::NoOpDeviceGuardImpl<KIND> {
  c10::Device exchangeDevice(c10::Device) const override { return HERE; }
  c10::Device getDevice() const override { return HERE; }
  c10::Stream getStream(c10::Device) const noexcept override { return c10::Stream(c10::Stream::DEFAULT, HERE); }
  c10::Stream exchangeStream(c10::Stream) const noexcept override { return getStream(HERE); }
};
C10_REGISTER_GUARD_IMPL(PrivateUse1, Guard);

// Its memory: the host's, under another name.
struct Memory final : at::Allocator {
  at::DataPtr allocate(size_t n) override {
    void* begin = n ? std::malloc(n) : nullptr;
    return {begin, begin, &std::free, HERE};
  }
  at::DeleterFnPtr raw_deleter() const override { return &std::free; }
  void copy_data(void* to, const void* from, size_t n) const override { std::memcpy(to, from, n); }
};
Memory memory;
REGISTER_ALLOCATOR(KIND, &memory);

// What torch asks of a device before it uses it.
struct Hooks final : at::PrivateUse1HooksInterface {
  bool isBuilt() const override { return true; }
  bool isAvailable() const override { return true; }
  bool hasPrimaryContext(c10::DeviceIndex) const override { return true; }
  void resizePrivateUse1Bytes(const c10::Storage& storage, size_t n) const override {
    at::DataPtr larger = memory.allocate(n);
    std::memcpy(larger.get(), storage.data(), std::min(n, storage.nbytes()));
    storage.unsafeGetStorageImpl()->set_data_ptr(std::move(larger));
    storage.unsafeGetStorageImpl()->set_nbytes(n);
  }
};
Hooks hooks;
const bool hooked = (at::RegisterPrivateUse1HooksInterface(&hooks), true);

// New tensors.
using Dtype = std::optional<at::ScalarType>;
using Format = std::optional<at::MemoryFormat>;
const c10::DispatchKeySet KEYS(c10::DispatchKey::PrivateUse1);
Tensor empty(IntArrayRef size, Dtype dtype, std::optional<at::Layout>, std::optional<at::Device>, std::optional<bool>,
             Format format) {
  return at::detail::empty_generic(size, &memory, KEYS, c10::dtype_or_default(dtype), format);
}
Tensor empty_strided(IntArrayRef size, IntArrayRef stride, Dtype dtype, std::optional<at::Layout>,
                     std::optional<at::Device>, std::optional<bool>) {
  return at::detail::empty_strided_generic(size, stride, &memory, KEYS, c10::dtype_or_default(dtype));
}

// Copies between the device and the CPU, through a tensor of the CPU over the same memory.
Tensor seen_by_host(const Tensor& t) {
  if (!t.defined() || t.device() != HERE) return t;
  return at::from_blob(t.data_ptr(), t.sizes(), t.strides(), [t](void*) {}, at::TensorOptions().dtype(t.dtype()));
}
Tensor carry(const Tensor& from, const Tensor& to, bool) {
  seen_by_host(to).copy_(seen_by_host(from));
  return to;
}
const Tensor& resize(const Tensor& t, c10::SymIntArrayRef size, Format format) {
  return at::native::resize_(t, C10_AS_INTARRAYREF_SLOW(size), format);
}
Tensor carry_and_resize(const Tensor& from, const Tensor& to) {
  return carry(from, at::native::resize_(to, from.sizes(), std::nullopt), false);
}

// Every other operation: refused where tensors lie on two devices, else done by the CPU. Single numbers may lie on the
// CPU, as may the indices into a tensor of the device; a generator may not.
void elsewhere(const c10::OperatorHandle& operation, torch::jit::Stack* stack) {
  const std::string name = operation.schema().name();
  const bool indexes = name.find("index") != std::string::npos;  // its indices are a list, which stands second
  const size_t n = operation.schema().arguments().size();
  bool here = false, on_cpu = false;
  const auto look = [&](const c10::IValue& value, bool index) {
    const bool tensor = value.isTensor() && value.toTensor().defined();
    if (tensor && value.toTensor().device() == HERE) here = true;
    else if (value.isGenerator() || (tensor && value.toTensor().dim() > 0 && !(index && here))) on_cpu = true;
  };
  for (const auto& value : torch::jit::last(*stack, n)) {
    if (!value.isList()) look(value, false);
    else for (const c10::IValue one : value.toListRef()) look(one, indexes);
  }
  TORCH_CHECK(!(here && on_cpu), "Expected all tensors to be on one device, but ", name, " got standin:0 and cpu");
  if (name != "aten::native_batch_norm") return at::native::cpu_fallback(operation, stack);
  // This one writes into the running statistics, though it does not say so: it works on the memory itself.
  for (size_t k = stack->size() - n; k < stack->size(); ++k)
    if ((*stack)[k].isTensor()) (*stack)[k] = seen_by_host((*stack)[k].toTensor());
  operation.callBoxed(stack);
  for (size_t k = stack->size() - 3; k < stack->size(); ++k) (*stack)[k] = (*stack)[k].toTensor().to(HERE);
}

TORCH_LIBRARY_IMPL(aten, PrivateUse1, m) {
  m.impl("empty.memory_format", empty);
  m.impl("empty_strided", empty_strided);
  m.impl("_copy_from", carry);
  m.impl("_copy_from_and_resize", carry_and_resize);
  m.impl("resize_", resize);
  m.impl("as_strided", at::native::as_strided_tensorimpl);  // views share memory, so they can't be carried
  m.impl("view", at::native::view);
  m.impl("unfold", at::native::unfold);
  m.impl("_reshape_alias", at::native::_reshape_alias);
  for (const char* name : {"convolution", "convolution_backward", "mse_loss"})  // else torch takes them apart
    m.impl(name, torch::CppFunction::makeFromBoxedFunction<&elsewhere>());
}
TORCH_LIBRARY_IMPL(_, PrivateUse1, m) { m.fallback(torch::CppFunction::makeFromBoxedFunction<&elsewhere>()); }
TORCH_LIBRARY_IMPL(_, AutocastPrivateUse1, m) { m.fallback(torch::CppFunction::makeFallthrough()); }  // of no effect
