#include "comparison.h"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace hps::benchmarks {
namespace {

std::string first_line(const char* file, const std::string& starting_with = "") {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (line.rfind(starting_with, 0) == 0) return line;
  }
  return "unknown";
}

/// The usual report, remembering the rows per second of every run.
class Comparison : public benchmark::ConsoleReporter {
 public:
  Comparison() : ConsoleReporter(OO_Tabular) {}

  void ReportRuns(const std::vector<Run>& runs) override {
    ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) {
      const auto rows = run.counters.find("items_per_second");
      if (run.error_occurred || rows == run.counters.end()) continue;
      if (run.run_type == Run::RT_Aggregate && run.aggregate_name != "median") continue;
      const std::string name = run.run_name.function_name;
      const std::size_t slash = name.rfind('/');
      if (slash == std::string::npos) continue;
      // A median, which comes last, replaces the single repetitions.
      rates_[name.substr(0, slash)][name.substr(slash + 1)] = rows->second;
    }
  }

  void print() const {
    std::printf("\nmillion rows per second, and the multiple of a plain memcpy loop\n");
    for (const auto& [shape, rates] : rates_) {
      const auto plain = rates.find("plain");
      std::printf("%s\n", shape.c_str());
      for (const auto& [who, rate] : rates) {
        std::printf("  %-24s %8.1f", who.c_str(), rate * 1e-6);
        if (plain != rates.end()) std::printf("  %5.2f x", rate / plain->second);
        std::printf("\n");
      }
    }
  }

 private:
  std::map<std::string, std::map<std::string, double>> rates_;
};

void print_conditions() {
  std::printf("conditions: %s; L3 %s; transparent huge pages %s; compiler %s; one thread\n",
              first_line("/proc/cpuinfo", "model name").c_str(),
              first_line("/sys/devices/system/cpu/cpu0/cache/index3/size").c_str(),
              first_line("/sys/kernel/mm/transparent_hugepage/enabled").c_str(), __VERSION__);
}

}  // namespace

int run_and_compare(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  print_conditions();
  Comparison comparison;
  benchmark::RunSpecifiedBenchmarks(&comparison);
  comparison.print();
  return 0;
}

}  // namespace hps::benchmarks
