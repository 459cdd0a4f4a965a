/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Tocsin plugin in C++ to begin yours with; the same as tocsin_acme.c. It watches what
 * happens to files, decides nothing, and raises one alert when a file's name matches one
 * of the patterns it was given.
 *
 * Change the name (here, in the descriptor and in the file's name), then go through the
 * class from the foot of the file upwards. The guide beside this folder has the
 * compiler's call, and explains.
 */
#include <fnmatch.h>

#include <string>
#include <unordered_map>

#include <tocsin/plugin.hpp>

namespace
{

const size_t REMEMBERED = 256; /* paths that were alerted on */

/* Everything the plugin knows is in here. There are no other variables. */
class acme : public tocsin::plugin
{
  public:
    /* Reads nothing but options and acquires nothing but memory. */
    explicit acme(const struct tocsin_host *host) : host_(host)
    {
    }

    /* On the agent's loop: be quick, open no file. What may block goes through
     * host->work. */
    void event(const struct tocsin_event &event)
    {
        std::string path = tocsin::text(tocsin_event_str(&event, TOCSIN_FIELD_FILE_PATH));

        if (!path.empty() && is_wanted(path) && is_news(path))
            raise_alert(event, path);
    }

    /* The options are read where they are used, so there is nothing to do anew. */
    int reload()
    {
        return 0;
    }

  private:
    bool is_wanted(const std::string &path) const
    {
        const std::string name = path.substr(path.rfind('/') + 1);
        const char *pattern;

        for (size_t i = 0; (pattern = host_->option_item(host_, "names", i)); i++)
            if (!fnmatch(pattern, name.c_str(), 0))
                return true;
        return false;
    }

    /* True the first time within `quiet`, so that one busy file is one alert. */
    bool is_news(const std::string &path)
    {
        const uint64_t now = host_->now_ns(host_);
        const uint64_t quiet =
            static_cast<uint64_t>(host_->option_int(host_, "quiet")) * 1000000u;
        const std::unordered_map<std::string, uint64_t>::iterator before =
            alerted_.find(path);

        if (before != alerted_.end() && now - before->second < quiet)
            return false;
        if (before == alerted_.end() && alerted_.size() >= REMEMBERED)
            alerted_.erase(alerted_.begin());
        alerted_[path] = now;
        return true;
    }

    void raise_alert(const struct tocsin_event &event, const std::string &path)
    {
        const std::string id =
            "acme-" + std::to_string(event.time_ns) + "-" + std::to_string(event.id);
        struct tocsin_value process;
        struct tocsin_writer w;
        uint8_t buf[16384];

        tocsin_writer_init(&w, buf, sizeof(buf));
        tocsin_begin_map(&w, nullptr);
        tocsin_begin_map(&w, "alert");
        tocsin_put_str(&w, "id", id.c_str());
        tocsin_put_str(&w, "title", "A file with a watched name was seen");
        tocsin_put_str(&w, "severity", "low");
        tocsin_put_str(&w, "category", "file");
        tocsin_put_str(&w, "detected_from", "acme"); /* who says so: the plugin's name */
        tocsin_end(&w);
        tocsin_begin_map(&w, "rule");
        tocsin_put_str(&w, "id", "acme-name");
        tocsin_put_str(&w, "name", "Watched file name");
        tocsin_end(&w);
        tocsin_begin_map(&w, "file");
        tocsin_put_strn(&w, "path", path.data(), path.size());
        tocsin_end(&w);
        if (tocsin_find(event.data, event.len, "process", &process)) /* as it came */
            tocsin_put_encoded(&w, "process", process.start, tocsin_value_size(&process));
        tocsin_end(&w);
        if (int rc = tocsin_publish(host_, TOCSIN_TOPIC_ALERT_RAISED, event.id, &w))
            host_->log(host_, TOCSIN_LOG_WARNING, "alert not raised: error %d", rc);
    }

    const struct tocsin_host *host_;
    std::unordered_map<std::string, uint64_t>
        alerted_; /* when, on host->now_ns's clock */
};

const char *const publishes[] = {TOCSIN_TOPIC_ALERT_RAISED, nullptr};
const char *const subscribes[] = {"file.*", nullptr};

const struct tocsin_option options[] = {
    tocsin::option("names", TOCSIN_OPTION_LIST, "*.scr,*.pif",
                   "Patterns of file names to alert on, as in glob(7)."),
    tocsin::within(0, 7 * 24 * 3600 * 1000LL,
                   tocsin::option("quiet", TOCSIN_OPTION_DURATION, "10m",
                                  "For so long the same path raises no second alert.")),
    tocsin::end_of_options(),
};

} // namespace

TOCSIN_DESCRIPTOR = tocsin::describe<acme>(TOCSIN_KIND_DETECTOR, "acme", "1.0.0",
                                           "Alerts on files with watched names",
                                           publishes, subscribes, options);
