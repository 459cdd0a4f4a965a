/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Tocsin plugin ABI for C++11 and later: tocsin/plugin.h, and a class for a state.
 *
 *     class acme : public tocsin::plugin
 *     {
 *       public:
 *         explicit acme(const struct tocsin_host *host);
 *         void event(const struct tocsin_event &event);
 *     };
 *     TOCSIN_DESCRIPTOR =
 *         tocsin::describe<acme>(TOCSIN_KIND_DETECTOR, "acme", "1.0.0", "Watches names");
 *
 * Nothing here is in the agent, and nothing of C++ meets it: an exception that leaves a
 * member function ends there, as the error that plugin.h says of the callback. Compile
 * with -fvisibility=hidden and, g++, -fno-gnu-unique: a plugin that exports what glibc
 * keeps one of is never unloaded.
 */
#ifndef TOCSIN_PLUGIN_HPP
#define TOCSIN_PLUGIN_HPP

#include <exception>
#include <new>
#include <string>

#include <tocsin/plugin.h>

namespace tocsin
{

/*
 * What a plugin's class derives from, and hides what it does itself. Each is called as
 * the callback of its name in struct tocsin_plugin; init is the constructor, which gets
 * the host and throws when it cannot; destroy is the destructor. `int reload()` may be
 * added; a class without it is made anew when its options change.
 */
class plugin
{
  public:
    int start()
    {
        return 0;
    }
    void event(const struct tocsin_event &)
    {
    }
    int stop()
    {
        return 0;
    }
};

/* An entry of the option table, as struct tocsin_option has it. The others change one. */
inline struct tocsin_option option(const char *name, enum tocsin_option_type type,
                                   const char *fallback, const char *help)
{
    struct tocsin_option made = tocsin_option();

    made.name = name;
    made.type = static_cast<uint32_t>(type);
    made.fallback = fallback;
    made.help = help;
    return made;
}

/* For INT, DURATION (ms) and SIZE (bytes). */
inline struct tocsin_option within(int64_t min, int64_t max, struct tocsin_option option)
{
    option.min = min;
    option.max = max;
    return option;
}

/* For CHOICE: "off|on|auto". */
inline struct tocsin_option one_of(const char *choices, struct tocsin_option option)
{
    option.choices = choices;
    return option;
}

/* enum tocsin_option_flags. */
inline struct tocsin_option with(uint32_t flags, struct tocsin_option option)
{
    option.flags |= flags;
    return option;
}

/* The last entry of every table. */
inline struct tocsin_option end_of_options()
{
    return tocsin_option();
}

/* A text of an event, which points into it, as one that lasts. */
inline std::string text(struct tocsin_str s)
{
    return s.ptr ? std::string(s.ptr, s.len) : std::string();
}

/* The callbacks of one class. For describe. */
template <class T> struct calls {
    struct state {
        const struct tocsin_host *host;
        T plugin;

        explicit state(const struct tocsin_host *host_) : host(host_), plugin(host_)
        {
        }
    };

    static state *of(void *made)
    {
        return static_cast<state *>(made);
    }

    /* What fn returns; of an exception, the error, and a line in the log. */
    template <class F>
    static int guarded(const struct tocsin_host *host, const char *call, F fn)
    {
        try {
            return fn();
        } catch (const std::bad_alloc &) {
            return -ENOMEM;
        } catch (const std::exception &e) {
            host->log(host, TOCSIN_LOG_ERROR, "%s throws: %s", call, e.what());
        } catch (...) {
            host->log(host, TOCSIN_LOG_ERROR, "%s throws", call);
        }
        return -EIO;
    }

    static int init(const struct tocsin_host *host, void **ret_state)
    {
        return guarded(host, "init", [=] {
            *ret_state = new state(host);
            return 0;
        });
    }

    static int start(void *made)
    {
        return guarded(of(made)->host, "start", [=] { return of(made)->plugin.start(); });
    }

    static void event(void *made, const struct tocsin_event *event)
    {
        (void)guarded(of(made)->host, "event", [=] {
            of(made)->plugin.event(*event);
            return 0;
        });
    }

    static int stop(void *made)
    {
        return guarded(of(made)->host, "stop", [=] { return of(made)->plugin.stop(); });
    }

    static void destroy(void *made)
    {
        delete of(made);
    }

    template <class U> static int reload(void *made)
    {
        return guarded(of(made)->host, "reload",
                       [=] { return static_cast<U &>(of(made)->plugin).reload(); });
    }

    /* The callback, where the class has a reload. */
    template <class U>
    static auto reload_of(U *plugin)
        -> decltype(plugin->reload(), static_cast<int (*)(void *)>(nullptr))
    {
        return &reload<U>;
    }
    static int (*reload_of(...))(void *)
    {
        return nullptr;
    }
};

/* The descriptor of a plugin whose state is a T; as struct tocsin_plugin. */
template <class T>
struct tocsin_plugin describe(enum tocsin_kind kind, const char *name,
                              const char *version, const char *summary,
                              const char *const *publishes = nullptr,
                              const char *const *subscribes = nullptr,
                              const struct tocsin_option *options = nullptr)
{
    struct tocsin_plugin made = tocsin_plugin();

    made.magic = TOCSIN_PLUGIN_MAGIC;
    made.abi_major = TOCSIN_ABI_MAJOR;
    made.abi_minor = TOCSIN_ABI_MINOR;
    made.size = sizeof(struct tocsin_plugin);
    made.kind = static_cast<uint32_t>(kind);
    made.option_size = sizeof(struct tocsin_option);
    made.name = name;
    made.version = version;
    made.summary = summary;
    made.publishes = publishes;
    made.subscribes = subscribes;
    made.options = options;
    made.init = calls<T>::init;
    made.start = calls<T>::start;
    made.event = calls<T>::event;
    made.reload = calls<T>::reload_of(static_cast<T *>(nullptr));
    made.stop = calls<T>::stop;
    made.destroy = calls<T>::destroy;
    return made;
}

} // namespace tocsin

/* The exported symbol: `TOCSIN_DESCRIPTOR = tocsin::describe<...>(...);`, at the foot of
 * the file, below all that it names. */
#define TOCSIN_DESCRIPTOR                                                                \
    extern "C" TOCSIN_EXPORT const struct tocsin_plugin tocsin_plugin

#endif
