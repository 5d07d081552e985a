// registration_probe PLUGIN STEPS FAKE...: does STEPS in order and prints, for each fake TensorRT,
// "<creators> creators <refusals> refusals" and the messages its logger got. Steps: t loads every
// FAKE globally, T locally; p opens PLUGIN (globally), l has the first FAKE load it as a plugin
// library, b opens a copy of the plugin (PLUGIN.copy), r calls getPluginRegistry, c
// createInferRuntime_INTERNAL. With PLUGIN preloaded, r and c reach the plugin's functions. Exit 0
// unless a step fails.
#include <dlfcn.h>

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace {

int fail(const std::string& message) {
  std::fprintf(stderr, "%s\n", message.c_str());
  return 1;
}

template <class Function>
Function find(void* library, const char* name) {
  return reinterpret_cast<Function>(dlsym(library, name));
}

struct Probe {
  std::string plugin;
  std::vector<std::string> paths;
  std::vector<void*> fakes;
  std::vector<std::string> calls;

  bool open(const std::string& path, int mode, std::vector<void*>* into = nullptr) {
    void* library = dlopen(path.c_str(), RTLD_LAZY | mode);
    if (library == nullptr) return fail(dlerror()) == 0;
    if (into != nullptr) into->push_back(library);
    return true;
  }

  bool step(char what) {
    switch (what) {
      case 't':
      case 'T':
        for (const auto& path : paths) {
          if (!open(path, what == 't' ? RTLD_GLOBAL : RTLD_LOCAL, &fakes)) return false;
        }
        return true;
      case 'p':
        return open(plugin, RTLD_GLOBAL);
      case 'b':
        return open(plugin + ".copy", RTLD_GLOBAL);
      case 'l': {
        const auto load = find<const char* (*)(const char*)>(fakes.at(0), "fake_load_library");
        const char* wrong = load(plugin.c_str());
        return wrong == nullptr || fail(wrong) == 0;
      }
      case 'r': {
        const auto get = find<void* (*)()>(RTLD_DEFAULT, "getPluginRegistry");
        calls.emplace_back(get == nullptr ? "absent" : get() == nullptr ? "null" : "registry");
        return true;
      }
      case 'c': {
        const auto create =
            find<void* (*)(void*, std::int32_t)>(RTLD_DEFAULT, "createInferRuntime_INTERNAL");
        const auto version = find<std::int32_t (*)()>(fakes.at(0), "getInferLibVersion")();
        calls.emplace_back(create != nullptr && create(this, version) == this ? "runtime" : "null");
        return true;
      }
      case 'e':
        calls.emplace_back(find<bool (*)()>(fakes.at(0), "fake_create")() ? "plugin" : "no plugin");
        return true;
      default:
        return fail(std::string("no such step: ") + what) == 0;
    }
  }

  void report() const {
    for (const auto& call : calls) std::printf("%s\n", call.c_str());
    for (void* fake : fakes) {
      std::printf("%d creators %d refusals\n%s", find<int (*)()>(fake, "fake_creators")(),
                  find<int (*)()>(fake, "fake_refusals")(),
                  find<const char* (*)()>(fake, "fake_messages")());
    }
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return fail("usage: registration_probe PLUGIN STEPS FAKE...");
  Probe probe{argv[1], {argv + 3, argv + argc}, {}, {}};
  for (const char what : std::string(argv[2])) {
    if (!probe.step(what)) return 1;
  }
  probe.report();
  return 0;
}
