/* SPDX-License-Identifier: MIT
 * The table of --short: one line for each benchmark, over its repetitions the median time and rates and the best
 * share. */
#include "programs.h"

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <map>

namespace bench
{
namespace
{

using Run = benchmark::BenchmarkReporter::Run;

double counter(const Run &run, const char *name)
{
    const auto at = run.counters.find(name);

    return at == run.counters.end() ? 0 : at->second.value;
}

double median(std::vector<double> v)
{
    std::sort(v.begin(), v.end());
    return v.empty() ? 0 : (v[(v.size() - 1) / 2] + v[v.size() / 2]) / 2;
}

std::vector<double> values(const std::vector<const Run *> &runs, const char *name)
{
    std::vector<double> v;

    for (const Run *run : runs)
        v.push_back(counter(*run, name));
    return v;
}

std::string time_text(double seconds)
{
    char text[32];

    if (seconds < 1e-3)
        std::snprintf(text, sizeof text, "%.2f us", seconds * 1e6);
    else if (seconds < 1)
        std::snprintf(text, sizeof text, "%.2f ms", seconds * 1e3);
    else
        std::snprintf(text, sizeof text, "%.2f s ", seconds);
    return text;
}

/* A number, or nothing where a kernel has no such figure. */
std::string number_text(double x, int digits)
{
    char text[32];

    std::snprintf(text, sizeof text, "%.*f", digits, x);
    return x > 0 ? text : "";
}

void print_line(const std::string &name, const std::vector<const Run *> &runs)
{
    std::vector<double> seconds, shares = values(runs, "share");

    for (const Run *run : runs)
        seconds.push_back(run->real_accumulated_time / static_cast<double>(run->iterations));
    std::printf("%-44s%12s%10s%9s%10s  %-5s%7s%7s\n", name.c_str(), time_text(median(seconds)).c_str(),
                number_text(median(values(runs, "GFLOP/s")), 1).c_str(),
                number_text(median(values(runs, "GB/s")), 1).c_str(),
                number_text(median(values(runs, "FLOP/byte")), 1).c_str(), runs[0]->report_label.c_str(),
                number_text(median(shares), 2).c_str(),
                number_text(*std::max_element(shares.begin(), shares.end()), 2).c_str());
}

} // namespace

bool Table::ReportContext(const Context &context)
{
    PrintBasicContext(&std::cerr, context);
    return true;
}

void Table::ReportRuns(const std::vector<Run> &runs)
{
    for (const Run &run : runs) {
        if (run.error_occurred)
            std::fprintf(stderr, "%s: %s\n", run.benchmark_name().c_str(), run.error_message.c_str());
        else if (run.run_type == Run::RT_Iteration)
            runs_.push_back(run);
    }
}

void Table::Finalize()
{
    std::map<std::string, std::vector<const Run *>> by_name;
    std::vector<std::pair<int64_t, std::string>> order;

    for (const Run &run : runs_) {
        if (by_name[run.run_name.function_name].empty())
            order.emplace_back(run.family_index, run.run_name.function_name);
        by_name[run.run_name.function_name].push_back(&run);
    }
    std::sort(order.begin(), order.end());
    std::printf("%-44s%12s%10s%9s%10s  %-5s%7s%7s\n", "", "time", "GFLOP/s", "GB/s", "FLOP/byte", "roof", "share",
                "best");
    for (const auto &[index, name] : order)
        print_line(name, by_name[name]);
}

} // namespace bench
