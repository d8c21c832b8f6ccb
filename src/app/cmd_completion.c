/* Shell completion. `sibyl completion SHELL` prints a few lines for a shell, which asks `sibyl
 * complete -- WORDS...` on each Tab: the candidates come from the same tables as the help, and the
 * names of models from the running platform. So a shell's own part never goes stale.
 *
 * `complete` prints a candidate a line, "VALUE\tWHAT IT IS"; a line ":files" or ":folders" asks the
 * shell for its own. The last word is the one being typed; it may be empty. */
#include <stdio.h>
#include <stdlib.h>

#include "app/commands.h"
#include "app/instance.h"
#include "app/text.h"
#include "base/clock.h"
#include "codec/json.h"
#include "engine/fetch/fetch.h"

enum { TEXT_MAX = 1 << 20, TREE_MAX = 64 << 20 };

#define MODELS_NS (500 * SB_MS) /* a person waits */

struct completion {
    struct sb_cli *cli;
    const char *const *words; /* behind "sibyl" */
    size_t n;
    const struct sb_command *command;
    struct sb_str current, prefix; /* prefix: "--log-level=" of what is being typed */
    struct sb_buf out;
};

/* ---- candidates ---- */

static void offer(struct completion *c, struct sb_str value, const char *doc) {
    if (!sb_str_starts(value, c->current)) return;
    for (size_t i = 0; i < value.n; i++) /* a line is a candidate */
        if ((unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f) return;
    sb_buf_adds(&c->out, c->prefix);
    sb_buf_adds(&c->out, value);
    sb_buf_addf(&c->out, "\t%s\n", doc);
}

static void offer_choices(struct completion *c, const char *choices, const char *doc) {
    struct sb_str rest = sb_str_of(choices), one;
    while (sb_str_split(&rest, '|', &one)) offer(c, one, doc);
}

static void offer_commands(struct completion *c) {
    for (const struct sb_command *k = sb_commands; k->name; k++)
        if (!k->hidden) offer(c, sb_str_of(k->name), k->summary);
}

static void offer_flag(struct completion *c, const char *name, const char *doc) {
    struct sb_buf flag;
    sb_buf_init(&flag, 200);
    sb_buf_addf(&flag, "--%s", name);
    offer(c, sb_buf_view(&flag), doc);
    sb_buf_fini(&flag);
}

static void offer_flags(struct completion *c) {
    offer_flag(c, "help", "What the command does and takes.");
    if (!c->command) {
        offer_flag(c, "version", "The version.");
        return;
    }
    for (const struct sb_option *o = c->command->options; o && o->name; o++)
        offer_flag(c, o->name, o->doc);
    if (c->command->settings) offer_flag(c, "config", "YAML file with settings.");
    for (const struct sb_setting *s = sb_settings; s->key; s++) {
        char flag[64];
        if (!sb_command_takes(c->command, s)) continue;
        sb_setting_flag(s, flag);
        offer_flag(c, flag, s->doc);
    }
}

/* ---- models of the running platform ---- */

/* Where it serves, by the environment and the words typed so far. What is wrong there is passed
 * over: the command itself will say so. */
static const char *environment(const char *name) {
    return getenv(name);
}

static void take_flags(struct completion *c, struct sb_config *config) {
    for (size_t i = 1; i + 1 < c->n; i++) {
        struct sb_str rest = sb_str_of(c->words[i]), name;
        if (!sb_str_starts(rest, SB_STR("--"))) continue;
        sb_str_split(&rest, '=', &name);
        const struct sb_setting *s = sb_setting_of_flag(sb_str_sub(name, 2, name.n));
        if (!s || !sb_command_takes(c->command, s)) continue;
        const char *value = rest.p ? rest.p : c->words[++i];
        sb_err bad = sb_config_set(config, s, value, SB_SOURCE_FLAG, "flag", NULL);
        SB_UNUSED(bad);
    }
}

static const char *platform_url(struct completion *c) {
    for (size_t i = 1; i + 1 < c->n; i++) {
        struct sb_str word = sb_str_of(c->words[i]);
        if (sb_str_is(word, "--url") && i + 2 < c->n) return c->words[i + 1];
        if (sb_str_starts(word, SB_STR("--url="))) return c->words[i] + 6;
    }
    struct sb_config config;
    sb_err bad;
    sb_config_init(&config);
    for (const struct sb_setting *s = sb_settings; s->key; s++)
        if (sb_command_takes(c->command, s)) {
            bad = sb_config_env(&config, s, environment, NULL);
            SB_UNUSED(bad);
        }
    take_flags(c, &config);
    bad = sb_config_finish(&config, NULL);
    SB_UNUSED(bad);
    const char *url = sb_instance_serving_url(&c->cli->config.arena, &config);
    sb_config_fini(&config);
    return url;
}

static void offer_models(struct completion *c) {
    struct sb_fetch *f;
    struct sb_fetch_request r = {.target = "/models", .timeout_ns = MODELS_NS};
    struct sb_buf answer;
    struct sb_arena a;
    struct sb_json *doc;
    int status = 0;
    if (sb_fetch_new(&f, platform_url(c), NULL) != SB_OK) return;
    sb_buf_init(&answer, TREE_MAX);
    sb_arena_init(&a, TREE_MAX);
    if (sb_fetch_call(f, &r, &status, &answer, NULL) == SB_OK && status == 200 &&
        sb_json_parse(&doc, sb_buf_view(&answer), &a, NULL) == SB_OK) {
        const struct sb_json *models = sb_json_get(doc, "models");
        for (const struct sb_json *m = models ? models->child : NULL; m; m = m->next) {
            struct sb_str name = {0};
            if (sb_json_get_str(m, "name", &name)) offer(c, name, "model");
        }
    }
    sb_arena_fini(&a);
    sb_buf_fini(&answer);
    sb_fetch_free(f);
}

/* ---- values ---- */

static void offer_words(struct completion *c, const char *words) {
    if (!words) return;
    if (strcmp(words, "@models") == 0)
        offer_models(c);
    else if (strcmp(words, "@commands") == 0)
        offer_commands(c);
    else if (words[0] == '@') /* "@files", "@folders" */
        sb_buf_addf(&c->out, ":%s\n", words + 1);
    else
        offer_choices(c, words, c->command->summary);
}

static void offer_setting(struct completion *c, const struct sb_setting *s) {
    static const char *const folders[] = {"data", "home"};
    for (size_t i = 0; i < SB_COUNT(folders); i++)
        if (strcmp(s->key, folders[i]) == 0) sb_buf_addz(&c->out, ":folders\n");
    if (strcmp(s->key, "python") == 0) sb_buf_addz(&c->out, ":files\n");
    if (s->type == SB_SETTING_CHOICE) offer_choices(c, s->choices, s->doc);
    if (s->type == SB_SETTING_BOOL) offer_choices(c, "true|false", s->doc);
}

/* The value of a flag that stands before; false when the flag takes none. */
static bool offer_value(struct completion *c, struct sb_str flag) {
    if (!sb_str_starts(flag, SB_STR("--"))) {
        for (const struct sb_option *o = c->command->options; o && o->name; o++)
            if (flag.n == 2 && flag.p[0] == '-' && o->letter == flag.p[1]) return o->value != NULL;
        return false;
    }
    flag = sb_str_sub(flag, 2, flag.n);
    for (const struct sb_option *o = c->command->options; o && o->name; o++)
        if (sb_str_is(flag, o->name)) return o->value != NULL;
    if (c->command->settings && sb_str_is(flag, "config")) {
        sb_buf_addz(&c->out, ":files\n");
        return true;
    }
    const struct sb_setting *s = sb_setting_of_flag(flag);
    if (!s || !sb_command_takes(c->command, s)) return false;
    if (s->type == SB_SETTING_BOOL && !c->prefix.n) return false; /* its value needs a "=" */
    offer_setting(c, s);
    return true;
}

/* How many words of the command, not flags or their values, stand before the current one. */
static size_t words_before(struct completion *c) {
    size_t n = 0;
    for (size_t i = 1; i + 1 < c->n; i++) {
        struct sb_str w = sb_str_of(c->words[i]);
        if (!sb_str_starts(w, SB_STR("-")) || w.n == 1) {
            n++;
            continue;
        }
        size_t mark = c->out.n;
        bool takes = sb_str_find(w, '=') < 0 && offer_value(c, w);
        c->out.n = mark; /* only asked */
        if (takes) i++;
    }
    return n;
}

static void complete(struct completion *c) {
    struct sb_str typed = sb_str_of(c->words[c->n - 1]);
    c->current = typed;
    if (c->n == 1) {
        if (sb_str_starts(typed, SB_STR("-")))
            offer_flags(c);
        else
            offer_commands(c);
        return;
    }
    for (const struct sb_command *k = sb_commands; k->name; k++)
        if (strcmp(k->name, c->words[0]) == 0) c->command = k;
    if (!c->command) {
        if (strcmp(c->words[0], "help") == 0) offer_commands(c);
        return;
    }
    ptrdiff_t equals = sb_str_find(typed, '=');
    if (sb_str_starts(typed, SB_STR("--")) && equals > 0) {
        c->prefix = sb_str_sub(typed, 0, (size_t)equals + 1);
        c->current = sb_str_sub(typed, (size_t)equals + 1, typed.n);
        offer_value(c, sb_str_sub(typed, 0, (size_t)equals));
        return;
    }
    if (c->n > 2 && offer_value(c, sb_str_of(c->words[c->n - 2]))) return;
    if (sb_str_starts(typed, SB_STR("-")))
        offer_flags(c);
    else if (words_before(c) == 0)
        offer_words(c, c->command->words);
}

enum sb_exit sb_complete_run(struct sb_cli *cli) {
    struct completion c = {.cli = cli, .words = cli->words, .n = cli->nwords};
    sb_buf_init(&c.out, TEXT_MAX);
    if (c.n) complete(&c);
    sb_text_print(&c.out);
    sb_buf_fini(&c.out);
    return SB_EXIT_OK;
}

/* ---- the shells' part ---- */

static const struct {
    const char *shell, *script;
} scripts[] = {
    {"bash", "# sibyl's completion for bash:  source <(sibyl completion bash)\n"
             "_sibyl() {\n"
             "    local line=${COMP_LINE:0:COMP_POINT} words current value\n"
             "    read -ra words <<<\"$line\"\n"
             "    [[ $line == *[[:space:]] ]] && words+=(\"\")\n"
             "    current=${words[-1]}\n"
             "    COMPREPLY=()\n"
             "    while IFS=$'\\t' read -r value _; do\n"
             "        case $value in\n"
             "        :files) compopt -o filenames; mapfile -t -O ${#COMPREPLY[@]} COMPREPLY "
             "< <(compgen -f -- \"${current#*=}\") ;;\n"
             "        :folders) compopt -o filenames; mapfile -t -O ${#COMPREPLY[@]} COMPREPLY "
             "< <(compgen -d -- \"${current#*=}\") ;;\n"
             "        *) [[ $current == --*=* ]] && value=${value#*=}\n"
             "           COMPREPLY+=(\"$(printf %q \"$value\")\") ;;\n"
             "        esac\n"
             "    done < <(\"$1\" complete -- \"${words[@]:1}\" 2>/dev/null)\n"
             "}\n"
             "complete -F _sibyl sibyl\n"},
    {"zsh", "#compdef sibyl\n"
            "# sibyl's completion for zsh:  source <(sibyl completion zsh)\n"
            "_sibyl() {\n"
            "    local line\n"
            "    local -a values\n"
            "    while IFS= read -r line; do\n"
            "        case $line in\n"
            "        :files) _files ;;\n"
            "        :folders) _files -/ ;;\n"
            "        *) values+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\") ;;\n"
            "        esac\n"
            "    done < <(\"${words[1]}\" complete -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
            "    (( $#values )) && _describe sibyl values\n"
            "}\n"
            "compdef _sibyl sibyl\n"},
    {"fish", "# sibyl's completion for fish:  sibyl completion fish | source\n"
             "function __sibyl_complete\n"
             "    set -l words (commandline -opc)\n"
             "    set -l current (commandline -ct)\n"
             "    for line in ($words[1] complete -- $words[2..-1] \"$current\" 2>/dev/null)\n"
             "        switch $line\n"
             "            case ':files'\n"
             "                __fish_complete_path \"$current\"\n"
             "            case ':folders'\n"
             "                __fish_complete_directories \"$current\"\n"
             "            case '*'\n"
             "                echo $line\n"
             "        end\n"
             "    end\n"
             "end\n"
             "complete -c sibyl -f -a '(__sibyl_complete)'\n"},
};

enum sb_exit sb_completion_run(struct sb_cli *cli) {
    for (size_t i = 0; i < SB_COUNT(scripts); i++) {
        if (strcmp(scripts[i].shell, cli->words[0]) != 0) continue;
        fputs(scripts[i].script, stdout);
        return SB_EXIT_OK;
    }
    sb_cli_error("completion for \"%s\" is not known; bash, zsh or fish", cli->words[0]);
    return SB_EXIT_USAGE;
}
