//! Where libtorch computes.

use std::sync::OnceLock;

use libloading::Library;
use tch::{Cuda, Device};

/// The GPU if libtorch can use one, else the CPU. The first call decides for the process.
pub(super) fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    *DEVICE.get_or_init(|| {
        load_cuda();
        if Cuda::is_available() {
            Device::Cuda(0)
        } else {
            Device::Cpu
        }
    })
}

/// Loads libtorch's CUDA half, which a program linked without it needs before it first asks for a
/// GPU. Does nothing where libtorch came without it.
#[expect(unsafe_code, reason = "loading a library runs its initialisers")]
fn load_cuda() {
    // SAFETY: the library belongs to the libtorch that this program is linked with; its
    // initialisers register CUDA there and rely on nothing that this program sets up.
    if let Ok(library) = unsafe { Library::new("libtorch_cuda.so") } {
        // It stays for the life of the process: libtorch keeps pointers into it.
        std::mem::forget(library);
    }
}
