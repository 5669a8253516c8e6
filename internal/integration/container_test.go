package integration

import (
	"cmp"
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"testing"

	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/modules/postgres"

	"github.com/sessioncleanup/sessioncleanup/internal/pgapps"
	"github.com/sessioncleanup/sessioncleanup/store/storetest"
)

// The image of the container, and the environment variable that names another.
const (
	image    = "postgres:18"
	envImage = "SESSIONCLEANUP_TEST_POSTGRES_IMAGE"
)

// TestContainer runs the conformance suite in a container, as the guide's application has it.
func TestContainer(t *testing.T) {
	name := cmp.Or(os.Getenv(envImage), image)
	container, err := postgres.Run(t.Context(), name,
		postgres.WithUsername("tester"), postgres.WithPassword("secret"), postgres.WithDatabase("tests"), postgres.BasicWaitStrategies())
	testcontainers.CleanupContainer(t, container)
	if err != nil {
		t.Fatalf("no container of %s: %v; start a container engine, or set %s to an image that it has", name, err, envImage)
	}
	admin, err := container.ConnectionString(t.Context(), "sslmode=disable")
	if err != nil {
		t.Fatal(err)
	}
	app := pgapps.All()["guide"]
	urlOf := func(database string) string {
		u, err := url.Parse(admin)
		if err != nil {
			t.Fatal(err)
		}
		u.Path = "/" + database
		return u.String()
	}
	if err := pgapps.Exec(t.Context(), admin, "CREATE DATABASE adopted"); err != nil {
		t.Fatal(err)
	}
	if err := app.Adopt(t.Context(), urlOf("adopted")); err != nil {
		t.Fatal(err)
	}
	storetest.Run(t, func(t testing.TB) storetest.Harness {
		database := "t" + rand.Text()
		if err := pgapps.Exec(t.Context(), admin, `CREATE DATABASE "`+database+`" TEMPLATE adopted`); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := pgapps.Exec(context.WithoutCancel(t.Context()), admin, `DROP DATABASE "`+database+`" WITH (FORCE)`); err != nil {
				t.Error(err)
			}
		})
		return app.Harness(t, urlOf(database))
	})
}
