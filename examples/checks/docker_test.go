package checks

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/patternmatcher"
)

// Docker's own parser reads the file, with the rules of its linter.
func TestDockerfileIsValidStaticAndNotRoot(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages, warnings, err := parseDockerfile(string(content))
	if err != nil || len(warnings) > 0 {
		t.Fatalf("%v %v", err, warnings)
	}
	build, image := stages[0], stages[len(stages)-1]
	static := false
	for _, command := range build.Commands {
		if run, ok := command.(*instructions.RunCommand); ok && strings.Contains(strings.Join(run.CmdLine, " "), "CGO_ENABLED=0 go build") {
			static = true
		}
	}
	if !static || image.BaseName != "scratch" {
		t.Errorf("the image is from %s and static: %t; want an empty image with a static binary", image.BaseName, static)
	}
	user, entrypoint := "", false
	for _, command := range image.Commands {
		switch c := command.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.EntrypointCommand:
			entrypoint = !c.PrependShell // there is no shell
		}
	}
	if id, err := strconv.Atoi(strings.Split(user, ":")[0]); err != nil || id == 0 {
		t.Errorf("the image runs as %q, want the number of an unprivileged user", user)
	}
	if !entrypoint {
		t.Error("the entry point needs a shell, which the image does not have")
	}
}

func TestSecretsAndDatabasesStayOutOfTheImage(t *testing.T) {
	t.Parallel()
	content, err := os.ReadFile("../docker/Dockerfile.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	matcher, err := patternmatcher.New(strings.Fields(strings.TrimPrefix(string(content), "# What does not belong into the image, secrets first.\n")))
	if err != nil {
		t.Fatal(err)
	}
	for path, left := range map[string]bool{
		".env": true, "examples/.env.local": true, "app.db": true, "data/app.db-wal": true, "tls/key.pem": true, "server.key": true,
		"tokens.txt": true, ".git/config": true, "home/id_ed25519": true,
		"go.mod": false, "cmd/sessioncleanup/main.go": false, "internal/tokens/tokens.go": false, "migrations/sqlite/00001_library.sql": false,
	} {
		out, err := matcher.MatchesOrParentMatches(path)
		if err != nil || out != left {
			t.Errorf("%s is left out: %t, %v; want %t", path, out, err, left)
		}
	}
}

func TestMistakesInDockerfilesAreFound(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"FORM scratch\n", "FROM scratch\nCOPY --form=build /a /b\n", "FROM a as B\n"} {
		if _, warnings, err := parseDockerfile(content); err == nil && len(warnings) == 0 {
			t.Errorf("nothing is wrong with\n%s", content)
		}
	}
}

func parseDockerfile(content string) (stages []instructions.Stage, warnings []string, err error) {
	file, err := parser.Parse(strings.NewReader(content))
	if err != nil {
		return nil, nil, err
	}
	for _, w := range file.Warnings {
		warnings = append(warnings, w.Short)
	}
	rules := linter.New(&linter.Config{Warn: func(rule, _, _, message string, _ []parser.Range) {
		warnings = append(warnings, fmt.Sprintf("%s: %s", rule, message))
	}})
	stages, _, err = instructions.Parse(file.AST, rules)
	return stages, warnings, err
}
